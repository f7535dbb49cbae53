"""The mutations that delete blobs and restore them."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Final, cast

import strawberry
from strawberry.types import Info

from api.graphql.batch_results import BlobIds, ServiceUnavailable, failure_for, too_many
from api.graphql.context import Context
from api.graphql.mutation_results import BlobNotFound, FieldProblem, InvalidInput, failure_of
from api.graphql.types import Blob
from api.services import deletions
from core.domain import blob as domain
from core.domain import errors
from core.domain.deletion import MAX_DELAY
from core.repositories.ports.audit import AuditAction

MAX_SECONDS: Final = int(MAX_DELAY.total_seconds())


@strawberry.input(description="Options of a deletion. Example: `{delaySeconds: 30}`.")
class DeletionInput:
    delay_seconds: int = strawberry.field(
        default=0,
        description=f"Seconds until the deletion, at most {MAX_SECONDS}. Until then restoreBlobs "
        "brings the blob back. 0: the blob is deleted at once.",
    )


Options = Annotated[
    DeletionInput | None, strawberry.argument(description="Null: the blob is deleted at once.")
]


@strawberry.type(description="A blob that is deleted, or will be.")
class DeletedBlob:
    blob_id: strawberry.ID = strawberry.field(description="Id of the blob.")
    deletes_at: datetime | None = strawberry.field(
        description="When it will be deleted. Null: it is deleted."
    )


@strawberry.type(description="A blob that does not wait to be deleted.")
class RestoredBlob:
    blob: Blob = strawberry.field(description="The blob, which is in all lists again.")


DeleteBlobResult = Annotated[
    DeletedBlob | BlobNotFound | InvalidInput,
    strawberry.union("DeleteBlobResult", description="The blob, or why it is not deleted."),
]
DeleteBlobOutcome = Annotated[
    DeletedBlob | BlobNotFound | ServiceUnavailable,
    strawberry.union("DeleteBlobOutcome", description="The outcome of deleteBlobs for one id."),
]
RestoreBlobOutcome = Annotated[
    RestoredBlob | BlobNotFound | ServiceUnavailable,
    strawberry.union("RestoreBlobOutcome", description="The outcome of restoreBlobs for one id."),
]


@strawberry.type(description="The outcomes of deleteBlobs.")
class DeletedBlobs:
    outcomes: list[DeleteBlobOutcome] = strawberry.field(
        description="The outcome for each id, in the order of `ids`."
    )


@strawberry.type(description="The outcomes of restoreBlobs.")
class RestoredBlobs:
    outcomes: list[RestoreBlobOutcome] = strawberry.field(
        description="The outcome for each id, in the order of `ids`."
    )


DeleteBlobsResult = Annotated[
    DeletedBlobs | InvalidInput,
    strawberry.union("DeleteBlobsResult", description="The outcomes, or why nothing was done."),
]
RestoreBlobsResult = Annotated[
    RestoredBlobs | InvalidInput,
    strawberry.union("RestoreBlobsResult", description="The outcomes, or why nothing was done."),
]


@strawberry.type
class DeletionMutations:
    @strawberry.mutation(
        description="Delete a blob in any status. Without a delay its image, labels and webhooks "
        "are deleted at once; the counts of labels in use follow within moments. A webhook that is "
        "being sent may still arrive. A repeated call returns the same result for 35 days, then "
        "BlobNotFound. With a delay the blob is left out of lists, searches and counts, and is "
        "deleted within about a minute after its time; until then it is found by its id, and a "
        "repeated call sets another time."
    )
    async def delete_blob(
        self,
        info: Info[Context, None],
        blob_id: Annotated[strawberry.ID, strawberry.argument(description="Id of the blob.")],
        input: Options = None,
    ) -> DeleteBlobResult:
        """Delete a blob."""
        context, delay = info.context, delay_in(input)
        if isinstance(delay, InvalidInput):
            return delay
        try:
            deletes_at = await deletions.delete(context.services, context.owner, blob_id, delay)
        except errors.BlobNotFound as error:
            return failure_of(error)
        await _audit(context, AuditAction.BLOB_DELETED, blob_id)
        return DeletedBlob(blob_id=blob_id, deletes_at=deletes_at)

    @strawberry.mutation(
        description="Delete many blobs as deleteBlob does. The others are deleted even if one "
        "can't be."
    )
    async def delete_blobs(
        self, info: Info[Context, None], ids: BlobIds, input: Options = None
    ) -> DeleteBlobsResult:
        """Delete blobs."""
        context, delay = info.context, delay_in(input)
        if isinstance(delay, InvalidInput):
            return delay
        if refused := too_many(ids):
            return refused
        done = await deletions.delete_many(context.services, context.owner, ids, delay)
        await _audit(context, AuditAction.BLOB_DELETED, *_changed(done))
        outcomes = [
            failure_for(blob_id, outcome)
            if isinstance(outcome := done[blob_id], errors.LabellingError)
            else DeletedBlob(blob_id=blob_id, deletes_at=outcome)
            for blob_id in ids
        ]
        return DeletedBlobs(outcomes=cast("list[DeleteBlobOutcome]", outcomes))

    @strawberry.mutation(
        description="Restore blobs that were deleted with a delay, as long as they wait: they are "
        "in all lists again, with everything that they had. A blob that does not wait is returned "
        "as it is. The others are restored even if one can't be."
    )
    async def restore_blobs(self, info: Info[Context, None], ids: BlobIds) -> RestoreBlobsResult:
        """Restore blobs."""
        context = info.context
        if refused := too_many(ids):
            return refused
        done = await deletions.restore_many(context.services, context.owner, ids)
        await _audit(context, AuditAction.BLOB_RESTORED, *_changed(done))
        outcomes = [
            RestoredBlob(blob=Blob.of(outcome))
            if isinstance(outcome := done[blob_id], domain.Blob)
            else failure_for(blob_id, outcome)
            for blob_id in ids
        ]
        return RestoredBlobs(outcomes=cast("list[RestoreBlobOutcome]", outcomes))


def delay_in(options: DeletionInput | None) -> timedelta | InvalidInput:
    """Return the delay of a deletion, or the failure that says what is wrong with it."""
    seconds = options.delay_seconds if options else 0
    if 0 <= seconds <= MAX_SECONDS:
        return timedelta(seconds=seconds)
    message = f"must be from 0 to {MAX_SECONDS}, not {seconds}"
    path = ["input", "delaySeconds"]
    problem = FieldProblem(field="delaySeconds", path=path, message=message)
    return InvalidInput(message=f"delaySeconds: {message}", problems=[problem])


def _changed(done: Mapping[str, object]) -> list[str]:
    return [key for key, each in done.items() if not isinstance(each, errors.LabellingError)]


async def _audit(context: Context, action: AuditAction, *subjects: str) -> None:
    for subject in subjects:
        await context.services.write(context.services.audit, context.caller, action, subject)
