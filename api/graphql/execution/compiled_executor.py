"""An executor that runs compiled selections where graphql-core inspects every value.

Most fields are plain: an attribute of their object, or a resolver that takes no `info` and so
reaches no store. A selection of plain fields is compiled into a function from an object to its part
of the response (`selection_compiler`). Where such a function fails (an exception, a null in a
non-null field, a value of an unexpected class), graphql-core executes the selection again and
reports the errors. Plain fields change nothing, so they may be resolved twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError
from strawberry.execution import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from api.graphql.execution.selection_compiler import SelectionCompiler

if TYPE_CHECKING:
    from graphql import DocumentNode, GraphQLObjectType, GraphQLSchema
    from graphql.execution.collect_fields import FieldDetailsList

    from api.graphql.execution.compiled_selections import CompiledSelections
    from api.graphql.execution.selection_compiler import Compiled


async def execute(
    schema: GraphQLSchema,
    document: DocumentNode,
    compiled: CompiledSelections,
    *arguments: Any,
    **options: Any,
) -> tuple[dict[str, Any] | None, list[GraphQLError]]:
    """Execute a valid document's operation; return its data and errors, as graphql-core does.

    `arguments` and `options` are those of graphql-core's `execute`, from the root value on.
    """
    try:
        options["is_awaitable"] = optimized_is_awaitable
        executor = CompiledExecutor.build(
            schema, document, *arguments, compiled=compiled, **options
        )
        if isinstance(executor, list):
            return None, executor
        # The schema has no @defer, so the result is never incremental.
        result: Any = executor.execute_operation()
        result = await result if executor.is_awaitable(result) else result
    except Exception as error:  # noqa: BLE001  # as Strawberry does
        return None, [GraphQLError(str(error), original_error=error)]
    return result.data, result.errors or []


class CompiledExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, with compiled selections where possible."""

    def __init__(self, *args: Any, compiled: CompiledSelections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._compiled = compiled
        selections = compiled.of(self.operation, self.fragments, self.variable_values.coerced)
        self._selections = {} if selections is None else selections
        self._looked_up: dict[tuple[int, bool], tuple[FieldDetailsList, Compiled | None]] = {}
        self._fallen_back = selections is None

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: FieldDetailsList,
        path: Any,
        position_context: Any,
    ) -> Any:
        """Resolve and complete a field of an object."""
        compiled = self._compiled_field(parent_type, field_details_list, resolved=False)
        if compiled:
            try:
                return compiled(source)
            except Exception:  # noqa: BLE001  # graphql-core meets it again and reports it
                self._fallen_back = True
        return super().execute_field(
            parent_type, source, field_details_list, path, position_context
        )

    def complete_value(
        self,
        return_type: Any,
        field_details_list: FieldDetailsList,
        info: Any,
        path: Any,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Turn a resolver's result into its part of the response."""
        if return_type is info.return_type:  # the field's own type, not an item's
            compiled = self._compiled_field(info.parent_type, field_details_list, resolved=True)
            if compiled:
                try:
                    return compiled(result)
                except Exception:  # noqa: BLE001  # as above
                    self._fallen_back = True
        return super().complete_value(
            return_type, field_details_list, info, path, result, position_context
        )

    def _compiled_field(
        self, parent: GraphQLObjectType, details: FieldDetailsList, *, resolved: bool
    ) -> Compiled | None:
        """Return the function of a field's object, or of its value once it is `resolved`.

        None when graphql-core must execute the field.
        """
        if self._fallen_back:
            return None
        # A list of details belongs to this execution; its nodes belong to the document.
        found = self._looked_up.get((id(details), resolved))
        if found:
            return found[1]
        key = (parent.name, resolved, *(id(each.node) for each in details))
        if key in self._selections:
            compiled = self._selections[key]
        else:
            compiler = SelectionCompiler(self)
            compiled = self._selections[key] = compiler.compile(parent, details, resolved=resolved)
            self._compiled.count(compiler.fields)
        self._looked_up[id(details), resolved] = details, compiled
        return compiled
