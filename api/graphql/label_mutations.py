"""The mutations of labels, and the types that they take and return."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, cast

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.batch_results import BlobIds, ServiceUnavailable, failure_for, too_many
from api.graphql.context import Context
from api.graphql.mutation_results import BlobNotFound, Error, FieldProblem, InvalidInput, WrongState
from api.graphql.types import Blob
from api.services.corrections import correct_many
from core.domain import blob as domain
from core.domain import errors, label
from core.domain.corrections import MAX_DECISIONS, Correction, DecisionKind, check_box
from core.domain.label import MAX_LABELS, MAX_NAME, read_name

Names = Annotated[
    list[str],
    strawberry.argument(
        description=f"Names of the labels, 1 to {MAX_LABELS}; their case is ignored."
    ),
]
_KEPT: Final = (
    "It holds when the blob is labelled again, by whatever detector; `resetLabels` withdraws it."
)


@strawberry.input(
    description="A rectangle in an image. Each number is a fraction of the image's width or "
    "height, from 0 to 1. Example: `{left: 0.25, top: 0.5, width: 0.5, height: 0.25}`."
)
class BoundingBoxInput:
    left: float = strawberry.field(description="Left edge, measured from the left.")
    top: float = strawberry.field(description="Top edge, measured from the top.")
    width: float = strawberry.field(description="Width of the rectangle.")
    height: float = strawberry.field(description="Height of the rectangle.")

    def to_domain(self) -> label.BoundingBox:
        """Return the box as the domain knows it."""
        return label.BoundingBox(self.left, self.top, self.width, self.height)


@strawberry.input(
    description="A label that an image has, and where. One that is in several places is given once "
    'for each. Example: `{name: "Cat", boundingBox: {left: 0, top: 0, width: 0.5, height: 1}}`.'
)
class LabelInput:
    name: str = strawberry.field(
        description=f"Name of the label: 1 to {MAX_NAME} printable characters. Its case is ignored "
        "where you have the label already."
    )
    bounding_box: BoundingBoxInput | None = strawberry.field(
        default=UNSET, description="Rectangle around the object, if you know it."
    )


@strawberry.type(
    description=f"The blob would have too many decisions: at most {MAX_LABELS} added or confirmed "
    f"labels, and {MAX_DECISIONS} in all."
)
class TooManyCorrections(Error):
    blob_id: strawberry.ID = strawberry.field(description="The id in the request.")


@strawberry.type(description="A blob whose labels are as you decided.")
class CorrectedBlob:
    blob: Blob = strawberry.field(description="The blob.")


CorrectBlobOutcome = Annotated[
    CorrectedBlob | BlobNotFound | WrongState | TooManyCorrections | ServiceUnavailable,
    strawberry.union(
        "CorrectBlobOutcome", description="The outcome of a correction of labels for one id."
    ),
]


@strawberry.type(description="The outcomes of a correction of labels.")
class CorrectedBlobs:
    outcomes: list[CorrectBlobOutcome] = strawberry.field(
        description="The outcome for each id, in the order of `ids`."
    )


CorrectBlobsResult = Annotated[
    CorrectedBlobs | InvalidInput,
    strawberry.union("CorrectBlobsResult", description="The outcomes, or why nothing was done."),
]


@strawberry.type
class LabelMutations:
    @strawberry.mutation(
        description="Add labels to blobs. An added label has the confidence 100, and the parents, "
        "aliases and categories that it has in your newest blob with it. " + _KEPT + " A blob "
        "must have been labelled. The others are changed even if one can't be."
    )
    async def add_labels(
        self,
        info: Info[Context, None],
        ids: BlobIds,
        labels: Annotated[
            list[LabelInput],
            strawberry.argument(description=f"The labels, 1 to {MAX_LABELS}."),
        ],
    ) -> CorrectBlobsResult:
        """Add labels."""
        problems: list[FieldProblem] = []
        boxes: dict[str, tuple[str, list[label.BoundingBox]]] = {}
        for number, each in enumerate(labels):
            path = ["labels", str(number)]
            name = _read_name(each.name, [*path, "name"], problems)
            _, places = boxes.setdefault(name.casefold(), (name, []))
            if each.bounding_box:
                places.append(_read_box(each.bounding_box, [*path, "boundingBox"], problems))
        wanted = [
            Correction(DecisionKind.ADDED, name, tuple(places)) for name, places in boxes.values()
        ]
        _check_number("labels", len(labels), problems)
        return await _correct(info.context, ids, wanted, problems)

    @strawberry.mutation(
        description="Remove labels from blobs: those that the detector found, and those that were "
        "added. A name that a blob does not have is remembered too, in `rejectedLabels`. " + _KEPT
    )
    async def remove_labels(
        self, info: Info[Context, None], ids: BlobIds, names: Names
    ) -> CorrectBlobsResult:
        """Remove labels."""
        return await _decide(info.context, ids, names, DecisionKind.REMOVED)

    @strawberry.mutation(
        description="Confirm labels of blobs: they are right. A confirmed label has the confidence "
        "100. A blob that does not have the label gets it. " + _KEPT
    )
    async def confirm_labels(
        self, info: Info[Context, None], ids: BlobIds, names: Names
    ) -> CorrectBlobsResult:
        """Confirm labels."""
        return await _decide(info.context, ids, names, DecisionKind.CONFIRMED)

    @strawberry.mutation(
        description="Withdraw what addLabels, removeLabels and confirmLabels decided: the labels "
        "are those of the detector again."
    )
    async def reset_labels(
        self,
        info: Info[Context, None],
        ids: BlobIds,
        names: Annotated[
            list[str] | None,
            strawberry.argument(
                description=f"Names of the labels, 1 to {MAX_LABELS}; their case is ignored. Null "
                "or omitted: all."
            ),
        ] = UNSET,
    ) -> CorrectBlobsResult:
        """Withdraw decisions."""
        if names is None or names is UNSET:
            return await _correct(info.context, ids, (), [])
        return await _decide(info.context, ids, names, None)


async def _decide(
    context: Context, ids: Sequence[str], names: Sequence[str], kind: DecisionKind | None
) -> CorrectedBlobs | InvalidInput:
    problems: list[FieldProblem] = []
    read = [_read_name(each, ["names", str(n)], problems) for n, each in enumerate(names)]
    _check_number("names", len(names), problems)
    return await _correct(context, ids, [Correction(kind, name) for name in read], problems)


async def _correct(
    context: Context,
    ids: Sequence[str],
    corrections: Sequence[Correction],
    problems: Sequence[FieldProblem],
) -> CorrectedBlobs | InvalidInput:
    if refused := too_many(ids):
        return refused
    if problems:
        message = "; ".join(f"{'.'.join(each.path)}: {each.message}" for each in problems)
        return InvalidInput(message=message, problems=list(problems))
    caller = context.caller
    done = await correct_many(context.services, caller.owner, caller.name, ids, corrections)
    return _outcomes(ids, done)


def _outcomes(
    ids: Sequence[str], done: Mapping[str, domain.Blob | errors.LabellingError]
) -> CorrectedBlobs:
    shown = [
        CorrectedBlob(blob=Blob.of(outcome))
        if isinstance(outcome := done[blob_id], domain.Blob)
        else _failure(blob_id, outcome)
        for blob_id in ids
    ]
    return CorrectedBlobs(outcomes=cast("list[CorrectBlobOutcome]", shown))


def _failure(blob_id: str, error: errors.LabellingError) -> Error:
    if isinstance(error, errors.TooManyCorrections):
        return TooManyCorrections(message=str(error), blob_id=strawberry.ID(blob_id))
    return failure_for(blob_id, error)


def _read_name(name: str, path: list[str], problems: list[FieldProblem]) -> str:
    try:
        return read_name(name)
    except errors.InvalidValue as error:
        problems.append(FieldProblem(field=error.field, path=path, message=error.message))
        return name


def _read_box(
    given: BoundingBoxInput, path: list[str], problems: list[FieldProblem]
) -> label.BoundingBox:
    box = given.to_domain()
    try:
        check_box(box)
    except errors.InvalidValue as error:
        problems.append(FieldProblem(field=error.field, path=path, message=error.message))
    return box


def _check_number(field: str, number: int, problems: list[FieldProblem]) -> None:
    if not 1 <= number <= MAX_LABELS:
        message = f"must be 1 to {MAX_LABELS}, not {number}: send the others in another mutation"
        problems.append(FieldProblem(field=field, path=[field], message=message))
