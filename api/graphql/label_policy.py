"""The owner's label policy: the types that show it, and the mutation that replaces it."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from datetime import datetime
from typing import Annotated, Final

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.context import Context
from api.graphql.mutation_results import Error, FieldProblem, InvalidInput
from core.domain import label_policy as domain
from core.domain.blob_list import BlobFilter, plan_blob_list
from core.domain.errors import PolicyConflict
from core.domain.label import MAX_LABELS, MAX_NAME
from core.domain.label_policy import MAX_RULES, InvalidPolicy, LabelAction
from core.repositories.ports.audit import AuditAction
from core.repositories.ports.policies import OwnerPolicy, set_policy_of

strawberry.enum(
    LabelAction,
    description="What a rule does with a label, or with the labels of a category. HIDE: blobs do "
    "not show it. ALLOW: blobs show it; where any rule allows something, everything else is "
    "hidden. RENAME: blobs show it by another name; labels that get the same name become one, with "
    "the higher confidence and all places. REQUIRE_CONFIDENCE: blobs show it from this confidence "
    "on, in place of the policy's `minConfidence`; of several categories the highest counts.",
)

_LABEL: Final = "Name of the label; its case is ignored."
_CATEGORY: Final = "Name of the category, as in `Label.categories`; its case is ignored."
_REPLACEMENT: Final = "New name of the label. Of RENAME alone."
_CONFIDENCE: Final = "Minimum confidence, from 0 to 100. Of REQUIRE_CONFIDENCE alone."
_DEFAULT: Final = "Minimum confidence of labels that no rule names, from 0 to 100."
_MOST: Final = f"Maximum number of labels of a blob, from 1 to {MAX_LABELS}."


@strawberry.type(
    description="A rule about one label, or about all labels of a category. The rule of a label "
    "precedes those of its categories."
)
class LabelRule:
    action: LabelAction = strawberry.field(description="What it does.")
    label: str | None = strawberry.field(description=_LABEL)
    category: str | None = strawberry.field(description=_CATEGORY)
    replacement: str | None = strawberry.field(description=_REPLACEMENT)
    min_confidence: float | None = strawberry.field(description=_CONFIDENCE)


@strawberry.input(
    description="A rule about one label, or about all labels of a category. Names have at most "
    f"{MAX_NAME} characters. Example: "
    '`{action: RENAME, label: "Automobile", replacement: "Car"}`.'
)
class LabelRuleInput:
    action: LabelAction = strawberry.field(description="What it does.")
    label: str | None = strawberry.field(default=UNSET, description=_LABEL)
    category: str | None = strawberry.field(
        default=UNSET, description=f"{_CATEGORY} Not for RENAME."
    )
    replacement: str | None = strawberry.field(
        default=UNSET, description=f"{_REPLACEMENT} No other rule may name the label then."
    )
    min_confidence: float | None = strawberry.field(default=UNSET, description=_CONFIDENCE)

    def to_domain(self) -> domain.LabelRule:
        """Return the rule as the domain knows it."""
        return domain.LabelRule(
            self.action,
            _given(self.label),
            _given(self.category),
            _given(self.replacement),
            None if self.min_confidence is UNSET else self.min_confidence,
        )


@strawberry.type(
    description="How far a policy has been applied to the blobs that were labelled before it was "
    "set."
)
class LabelPolicyProgress:
    examined: int = strawberry.field(description="Number of blobs examined so far.")
    finished_at: datetime | None = strawberry.field(
        description="When the last one was examined; null before."
    )

    @strawberry.field(
        description="Number of all your blobs at present; null where counting would need a scan."
    )
    async def total(self, info: Info[Context, None]) -> int | None:
        """Count the owner's blobs, where one read tells it."""
        context = info.context
        plan = plan_blob_list(BlobFilter())
        return await context.services.read(context.services.blobs.count, context.owner, plan)


@strawberry.type(
    description="Which labels your blobs show of what the detector finds, and by which names. "
    "`Blob.detectedLabels` shows all of them. What addLabels, removeLabels and confirmLabels "
    "decided precedes the policy. Labels are renamed first; then rules about the new name apply."
)
class LabelPolicy:
    version: int = strawberry.field(description="Number of changes so far; 0 without a policy.")
    set_at: datetime | None = strawberry.field(description="When it was set; null if never.")
    min_confidence: float = strawberry.field(description=_DEFAULT)
    max_labels: int = strawberry.field(description=_MOST)
    rules: list[LabelRule] = strawberry.field(description="The rules, in the order of the input.")
    progress: LabelPolicyProgress | None = strawberry.field(
        description="How far it has been applied to earlier blobs; null if none was ever set."
    )

    @classmethod
    def of(cls, stored: OwnerPolicy) -> "LabelPolicy":
        """Return an owner's policy as clients see it."""
        policy = stored.policy
        progress = LabelPolicyProgress(examined=stored.examined, finished_at=stored.finished_at)
        return cls(
            version=policy.version,
            set_at=stored.set_at,
            min_confidence=policy.min_confidence,
            max_labels=policy.max_labels,
            rules=[
                LabelRule(
                    action=each.action,
                    label=each.label,
                    category=each.category,
                    replacement=each.replacement,
                    min_confidence=each.min_confidence,
                )
                for each in policy.rules
            ],
            progress=None if stored.set_at is None else progress,
        )


@strawberry.input(
    description="A policy in place of the present one. Example: `{expectedVersion: 0, maxLabels: "
    '10, rules: [{action: HIDE, label: "Text"}]}`.'
)
class SetLabelPolicyInput:
    expected_version: int = strawberry.field(
        description="`viewer.labelPolicy.version` as you read it; 0 without a policy. If the "
        "policy has changed since, nothing is done."
    )
    min_confidence: float = strawberry.field(
        default=0.0, description=f"{_DEFAULT} Not for labels that are added or confirmed."
    )
    max_labels: int = strawberry.field(
        default=MAX_LABELS,
        description=f"{_MOST} All labels that are added or confirmed are shown.",
    )
    rules: list[LabelRuleInput] = strawberry.field(
        default_factory=list, description=f"The rules, at most {MAX_RULES}."
    )


@strawberry.type(
    description="It has been changed since you read it: read it again, and send your change with "
    "its version."
)
class VersionConflict(Error):
    current_version: int = strawberry.field(description="The present version.")


@strawberry.type(description="The new policy.")
class LabelPolicySet:
    policy: LabelPolicy = strawberry.field(description="The policy.")


SetLabelPolicyResult = Annotated[
    LabelPolicySet | InvalidInput | VersionConflict,
    strawberry.union(
        "SetLabelPolicyResult", description="The new policy, or why the present one stays."
    ),
]


@strawberry.type
class LabelPolicyMutations:
    @strawberry.mutation(
        description="Replace your label policy. It applies to whatever is labelled from now on. "
        "In the background it is applied to earlier blobs too, without labelling them again: see "
        "`LabelPolicy.progress`. The next change cancels that and starts from the first blob. A "
        "blob whose labels change thereby is EDITED, as after a correction."
    )
    async def set_label_policy(
        self,
        info: Info[Context, None],
        input: Annotated[SetLabelPolicyInput, strawberry.argument(description="The policy.")],
    ) -> SetLabelPolicyResult:
        """Replace the owner's policy."""
        context, services = info.context, info.context.services
        wanted = domain.LabelPolicy(
            input.expected_version,
            input.min_confidence,
            input.max_labels,
            tuple(each.to_domain() for each in input.rules),
        )
        policies = services.blobs.policies
        try:
            stored = await services.write(
                set_policy_of, policies, context.owner, wanted, services.clock()
            )
        except InvalidPolicy as error:
            problems = [
                FieldProblem(field=each.field, path=["input", *each.path], message=each.message)
                for each in error.problems
            ]
            return InvalidInput(message=str(error), problems=problems)
        except PolicyConflict as error:
            return VersionConflict(message=str(error), current_version=error.current)
        subject = f"version {stored.policy.version}"
        await services.write(services.audit, context.caller, AuditAction.LABEL_POLICY_SET, subject)
        return LabelPolicySet(policy=LabelPolicy.of(stored))


def _given(value: str | None) -> str | None:
    return None if value is UNSET else value


async def find_label_policy(context: Context) -> LabelPolicy:
    """Return the caller's label policy."""
    services = context.services
    return LabelPolicy.of(await services.read(services.blobs.policies.find, context.owner))
