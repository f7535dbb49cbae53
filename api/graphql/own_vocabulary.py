"""The owner's own vocabulary: the types that show it, and the mutation that replaces it."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from typing import Annotated, Final

import strawberry
from strawberry.types import Info

from api.graphql.context import Context
from api.graphql.label_policy import VersionConflict
from api.graphql.mutation_results import FieldProblem, InvalidInput
from core.domain import own_vocabulary as domain
from core.domain.errors import VocabularyConflict
from core.domain.label import MAX_NAME
from core.domain.own_vocabulary import MAX_DEFINITIONS, MAX_NAMES, InvalidVocabulary
from core.repositories.ports.audit import AuditAction
from core.repositories.ports.vocabularies import set_vocabulary_of

_NAME: Final = f"Name of the label: 1 to {MAX_NAME} printable characters."
_PARENTS: Final = "Names of all its ancestors, nearest first."
_ALIASES: Final = "Other names with the same meaning: they find the label."
_CATEGORIES: Final = "Categories it belongs to."


@strawberry.type(description="A label that you define.")
class LabelDefinition:
    name: str = strawberry.field(description="Name of the label.")
    parents: list[str] = strawberry.field(description=_PARENTS)
    aliases: list[str] = strawberry.field(description=_ALIASES)
    categories: list[str] = strawberry.field(description=_CATEGORIES)


@strawberry.input(
    description=f"A label that you define, with at most {MAX_NAMES} names of each kind. Example: "
    '`{name: "Rex", parents: ["Dog", "Animal"], aliases: ["Our dog"]}`.'
)
class LabelDefinitionInput:
    name: str = strawberry.field(description=_NAME)
    parents: list[str] = strawberry.field(default_factory=list, description=_PARENTS)
    aliases: list[str] = strawberry.field(default_factory=list, description=_ALIASES)
    categories: list[str] = strawberry.field(default_factory=list, description=_CATEGORIES)

    def to_domain(self) -> domain.LabelDefinition:
        """Return the definition as the domain knows it."""
        return domain.LabelDefinition(
            self.name, tuple(self.parents), tuple(self.aliases), tuple(self.categories)
        )


@strawberry.type(
    description="The labels that you define. `labels` and `label` find them by names and aliases, "
    "and addLabels takes parents, aliases and categories from them."
)
class Vocabulary:
    version: int = strawberry.field(description="Number of changes so far; 0 without one.")
    labels: list[LabelDefinition] = strawberry.field(
        description="The definitions, in the order of the input."
    )

    @classmethod
    def of(cls, stored: domain.OwnVocabulary) -> "Vocabulary":
        """Return a vocabulary as clients see it."""
        return cls(
            version=stored.version,
            labels=[
                LabelDefinition(
                    name=each.name,
                    parents=list(each.parents),
                    aliases=list(each.aliases),
                    categories=list(each.categories),
                )
                for each in stored.labels
            ],
        )


@strawberry.input(
    description="A vocabulary in place of the present one. Example: `{expectedVersion: 0, labels: "
    '[{name: "Rex", aliases: ["Our dog"]}]}`.'
)
class SetVocabularyInput:
    expected_version: int = strawberry.field(
        description="`viewer.vocabulary.version` as you read it; 0 without one. If the vocabulary "
        "has changed since, nothing is done."
    )
    labels: list[LabelDefinitionInput] = strawberry.field(
        description=f"The definitions, at most {MAX_DEFINITIONS}. No name may mean two labels."
    )


@strawberry.type(description="The new vocabulary.")
class VocabularySet:
    vocabulary: Vocabulary = strawberry.field(description="The vocabulary.")


SetVocabularyResult = Annotated[
    VocabularySet | InvalidInput | VersionConflict,
    strawberry.union(
        "SetVocabularyResult", description="The new vocabulary, or why the present one stays."
    ),
]


@strawberry.type
class VocabularyMutations:
    @strawberry.mutation(
        description="Replace your own vocabulary. Searches and completion follow at once; the "
        "labels of your blobs stay as they are."
    )
    async def set_vocabulary(
        self,
        info: Info[Context, None],
        input: Annotated[SetVocabularyInput, strawberry.argument(description="The vocabulary.")],
    ) -> SetVocabularyResult:
        """Replace the owner's vocabulary."""
        context, services = info.context, info.context.services
        wanted = domain.OwnVocabulary(
            input.expected_version, tuple(each.to_domain() for each in input.labels)
        )
        vocabularies = services.blobs.vocabularies
        try:
            stored = await services.write(
                set_vocabulary_of, vocabularies, context.owner, wanted, services.clock()
            )
        except InvalidVocabulary as error:
            problems = [
                FieldProblem(field=each.field, path=["input", *each.path], message=each.message)
                for each in error.problems
            ]
            return InvalidInput(message=str(error), problems=problems)
        except VocabularyConflict as error:
            return VersionConflict(message=str(error), current_version=error.current)
        context.vocabularies.clear_all()
        subject = f"version {stored.version}"
        await services.write(services.audit, context.caller, AuditAction.VOCABULARY_SET, subject)
        return VocabularySet(vocabulary=Vocabulary.of(stored))


async def find_vocabulary(context: Context) -> Vocabulary:
    """Return the caller's own vocabulary."""
    return Vocabulary.of(await context.vocabularies.load(context.owner))
