"""The mutation of a client's facts about a blob."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from typing import Annotated, TypeVar

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.context import Context
from api.graphql.metadata import (
    EXTERNAL_ID,
    FILE_NAME,
    METADATA,
    MetadataEntryInput,
    pairs_of,
)
from api.graphql.mutation_results import (
    BlobNotFound,
    ExternalIdTaken,
    InvalidInput,
    failure_of,
)
from api.graphql.types import Blob
from api.services.facts import KEPT, FactsChange, Kept, update_blob
from api.services.uploads import InvalidUpload
from core.domain import errors

T = TypeVar("T")


@strawberry.input(
    description="New values of your own facts about an image. What is omitted stays as it is; null "
    'removes it. Example: `{fileName: "cat.jpg", externalId: null}`.'
)
class UpdateBlobInput:
    file_name: str | None = strawberry.field(default=UNSET, description=FILE_NAME)
    external_id: str | None = strawberry.field(default=UNSET, description=EXTERNAL_ID)
    metadata: list[MetadataEntryInput] | None = strawberry.field(
        default=UNSET, description=f"{METADATA} They replace all earlier pairs."
    )

    def to_change(self) -> FactsChange:
        """Return the change as the service knows it."""
        metadata = self.metadata
        return FactsChange(
            file_name=_given(self.file_name),
            external_id=_given(self.external_id),
            metadata=KEPT if metadata is UNSET else pairs_of(metadata),
        )


@strawberry.type(description="A blob with your own facts as they are now.")
class UpdatedBlob:
    blob: Blob = strawberry.field(description="The blob.")


UpdateBlobResult = Annotated[
    UpdatedBlob | BlobNotFound | InvalidInput | ExternalIdTaken,
    strawberry.union("UpdateBlobResult", description="The blob, or why it was not changed."),
]


@strawberry.type
class FactsMutations:
    @strawberry.mutation(
        description="Change your own facts about a blob, in any status: the name of its file, its "
        "external id, its metadata. The blob is EDITED; no webhook is sent."
    )
    async def update_blob(
        self,
        info: Info[Context, None],
        blob_id: Annotated[strawberry.ID, strawberry.argument(description="Id of the blob.")],
        input: Annotated[UpdateBlobInput, strawberry.argument(description="The new values.")],
    ) -> UpdateBlobResult:
        """Change the facts of a blob."""
        context = info.context
        try:
            blob = await update_blob(context.services, context.owner, blob_id, input.to_change())
        except (InvalidUpload, errors.BlobNotFound, errors.ExternalIdTaken) as error:
            return failure_of(error)
        return UpdatedBlob(blob=Blob.of(blob))


def _given(value: T | None) -> T | Kept | None:
    return KEPT if value is UNSET else value
