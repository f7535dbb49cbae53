"""The executor of operations that are not compiled, with bounded memory for subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

if TYPE_CHECKING:
    from graphql.execution import Executor


class EventExecutor(StrawberryGraphQLCoreExecutionContext):
    """graphql-core's executor, whose copies for the events of a subscription cache nothing for it.

    graphql-core 3.3.2 memoises subfields by the id of a list that each event creates, in a
    dictionary that all events of a subscription share: 2 KB for each event (docs/decisions/0034).
    """

    def build_per_event_executor(self, payload: Any) -> Executor[Any]:
        """Return an executor for one event, with its own memo."""
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}  # noqa: SLF001  # see above
        return executor
