"""The types that mutations of many blobs return: an outcome for each id, in their order."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from collections.abc import Mapping, Sequence
from typing import Annotated, cast

import strawberry

from api.errors import STORE_UNAVAILABLE
from api.graphql.mutation_results import (
    BlobNotFound,
    Error,
    FieldProblem,
    InvalidInput,
    RelabelledBlob,
    WrongState,
    failure_of,
)
from api.graphql.types import Blob
from core.domain import blob as domain
from core.domain import errors
from core.domain.pagination import MAX_PAGE

BlobIds = Annotated[
    list[strawberry.ID],
    strawberry.argument(
        description=f"Ids of the blobs, at most {MAX_PAGE}. One that is repeated is processed once."
    ),
]


@strawberry.type(
    description="The service is unavailable for this id at present. Send the id again."
)
class ServiceUnavailable(Error):
    blob_id: strawberry.ID = strawberry.field(description="The id in the request.")


RelabelBlobOutcome = Annotated[
    RelabelledBlob | BlobNotFound | WrongState | ServiceUnavailable,
    strawberry.union("RelabelBlobOutcome", description="The outcome of relabelBlobs for one id."),
]


@strawberry.type(description="The outcomes of relabelBlobs.")
class RelabelledBlobs:
    outcomes: list[RelabelBlobOutcome] = strawberry.field(
        description="The outcome for each id, in the order of `ids`."
    )


RelabelBlobsResult = Annotated[
    RelabelledBlobs | InvalidInput,
    strawberry.union("RelabelBlobsResult", description="The outcomes, or why nothing was done."),
]


def too_many(ids: Sequence[str]) -> InvalidInput | None:
    """Return the failure of a mutation with too many ids; None if it may proceed."""
    if len(ids) <= MAX_PAGE:
        return None
    message = f"at most {MAX_PAGE}, not {len(ids)}: send the others in another mutation"
    problem = FieldProblem(field="ids", path=["ids"], message=message)
    return InvalidInput(message=f"ids: {message}", problems=[problem])


def relabelled_blobs(
    ids: Sequence[str], outcomes: Mapping[str, domain.Blob | errors.LabellingError]
) -> RelabelledBlobs:
    """Return the outcomes of a relabelling."""
    shown = [
        RelabelledBlob(blob=Blob.of(outcome))
        if isinstance(outcome := outcomes[blob_id], domain.Blob)
        else failure_for(blob_id, outcome)
        for blob_id in ids
    ]
    return RelabelledBlobs(outcomes=cast("list[RelabelBlobOutcome]", shown))


def failure_for(blob_id: str, error: errors.LabellingError) -> Error:
    """Return the failure of a mutation of many blobs for one id."""
    match error:
        case errors.BlobNotFound() | errors.WrongState():
            return failure_of(error)
    return ServiceUnavailable(message=STORE_UNAVAILABLE, blob_id=strawberry.ID(blob_id))
