"""The GraphQL types of blobs and labels. Their descriptions are the API's documentation."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final, cast

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.connections import After, First, PageInfo
from api.graphql.context import Context
from api.graphql.image_types import IMAGE_TYPES, ImageType
from api.graphql.label_types import Label
from api.graphql.metadata import MetadataEntry
from api.graphql.node import Node
from api.graphql.scalars import Url
from api.graphql.similar import SIMILAR, SIMILARITY, find_similar
from api.graphql.webhook_types import WebhookDelivery, webhook_of
from api.services.labels import LabelOrder
from core.domain import blob as domain
from core.domain.blob import BlobStatus, FailureCode
from core.domain.corrections import DecisionKind
from core.domain.similar import SimilarKind
from core.domain.thumbnail import ThumbnailSize

_REMOVED: Final = DecisionKind.REMOVED


strawberry.enum(
    BlobStatus,
    description="Processing state of a blob. AWAITING_UPLOAD: its bytes have not arrived. "
    "LABELLING: it is being labelled. LABELLED: it has labels. FAILED: it could not be labelled; "
    "see `failure`. EXPIRED: its bytes never arrived.",
)
strawberry.enum(
    FailureCode,
    description="Why an image could not be labelled. CORRUPT_IMAGE: it is damaged or incomplete. "
    "TOO_MANY_PIXELS, TOO_LARGE: it exceeds a limit of the service. UNSUPPORTED_FORMAT: it is not "
    "an image, or of a type that the service does not decode. ORIGINAL_MISSING: its bytes were "
    "removed from the storage. LABELLER_UNAVAILABLE: the detector failed at every attempt. "
    "CONTENT_TYPE_MISMATCH: an earlier version rejected bytes of another type than the declared "
    "one.",
)
strawberry.enum(
    LabelOrder,
    name="LabelledBlobOrder",
    description="NEWEST: newest first. CONFIDENCE: most confident first, and newest first among "
    "equals.",
)


@strawberry.type(description="Why labelling failed.")
class Failure:
    code: FailureCode = strawberry.field(description="The reason, for programs.")
    message: str = strawberry.field(description="The reason, for people.")


@strawberry.type(description="A program that finds labels.")
class Detector:
    name: str = strawberry.field(description="Its name. Example: `efficientnet-lite0`.")
    version: str | None = strawberry.field(
        description="Its version, and after a `+` what it was combined with; null when it has "
        "none. Example: `1.2+mtcnn`."
    )

    @staticmethod
    @lru_cache(maxsize=64)
    def of(stored: str) -> "Detector":
        """Return a detector of which `name/version` is stored, or a name alone."""
        name, _, version = stored.partition("/")
        return Detector(name=name, version=version or None)


@strawberry.type(description="A blob that looks like another.")
class SimilarBlobEdge:
    cursor: str = strawberry.field(description="Position in the list, for `after`.")
    node: "Blob" = strawberry.field(description="The blob.")
    similarity: float = strawberry.field(description=SIMILARITY)


@strawberry.type(description="One page of the blobs that look like another.")
class SimilarBlobConnection:
    edges: list[SimilarBlobEdge] = strawberry.field(description="Entries of the page, in order.")
    nodes: list["Blob"] = strawberry.field(description="The nodes of the edges.")
    page_info: PageInfo = strawberry.field(description="Position of the page in the list.")


@strawberry.type(description="An uploaded image and its labels.")
class Blob(Node):
    record: strawberry.Private[domain.Blob]
    status: BlobStatus = strawberry.field(description="Current processing state.")
    content_type: ImageType = strawberry.field(
        description="Type of the image: as createUpload declared it, and once the labeller has "
        "read the image, as its bytes are."
    )
    size_bytes: int | None = strawberry.field(
        description="Size in bytes. Null until the bytes have arrived."
    )
    sha256: str | None = strawberry.field(
        description="SHA-256 of the bytes, in base64. Null until they have arrived, and on AWS "
        "where createUpload did not declare it."
    )
    width: int | None = strawberry.field(description="Width in pixels, as displayed.")
    height: int | None = strawberry.field(description="Height in pixels, as displayed.")
    created_at: datetime = strawberry.field(description="When the upload was requested.")
    labelled_at: datetime | None = strawberry.field(
        description="When it was labelled; null when it has no labels."
    )
    failure: Failure | None = strawberry.field(description="Set when status is FAILED.")
    file_name: str | None = strawberry.field(description="Name of its file, as you gave it.")
    external_id: str | None = strawberry.field(description="Your own id of the image.")
    metadata: list[MetadataEntry] = strawberry.field(
        description="Your own facts about the image, by key."
    )
    deletes_at: datetime | None = strawberry.field(
        description="When it will be deleted, unless restoreBlobs restores it before: meanwhile no "
        "list has it. Null: it is not to be deleted."
    )

    @staticmethod
    def of(record: domain.Blob) -> "Blob":
        """Return a blob as GraphQL shows it."""
        return Blob(
            id=strawberry.ID(record.id),
            record=record,
            status=record.status,
            content_type=IMAGE_TYPES[record.content_type],
            size_bytes=record.size,
            sha256=record.sha256,
            width=record.width,
            height=record.height,
            created_at=record.created_at,
            labelled_at=None if record.labels is None else record.finished_at,
            failure=Failure(code=record.failure.code, message=record.failure.message)
            if record.failure
            else None,
            file_name=record.facts.file_name,
            external_id=record.facts.external_id,
            metadata=cast("list[MetadataEntry]", record.facts.metadata),
            deletes_at=record.deletes_at,
        )

    @strawberry.field(
        description="Labels, most confident first. Null: not labelled yet. Empty: nothing was "
        "detected."
    )
    def labels(
        self,
        min_confidence: Annotated[
            float, strawberry.argument(description="Minimum confidence, from 0 to 100.")
        ] = 0,
    ) -> list[Label] | None:
        """Return the labels of at least that confidence."""
        if self.record.labels is None:
            return None
        labels = [label for label in self.record.labels if label.confidence >= min_confidence]
        return cast("list[Label]", labels)  # they have every attribute that GraphQL reads

    @strawberry.field(
        description="What the detector found, most confident first, whatever was corrected since. "
        "Null: not labelled yet."
    )
    def detected_labels(self) -> list[Label] | None:
        """Return the labels of the detector."""
        return cast("list[Label] | None", self.record.detected)

    @strawberry.field(
        description="Names that removeLabels removed. The blob does not get these labels, even if "
        "a detector finds them."
    )
    def rejected_labels(self) -> list[str]:
        """Return the names of removed labels."""
        return [each.label.name for each in self.record.decisions if each.kind is _REMOVED]

    @strawberry.field(description="The detector that processed it last. Null before that.")
    def detector(self) -> Detector | None:
        """Return the detector, if there was one."""
        return Detector.of(self.record.detector) if self.record.detector else None

    @strawberry.field(
        description="The webhook that was sent last, of an outcome or of a change of its labels; "
        "before there is one, that of its first outcome. Null "
        "when it has no callback URL."
    )
    async def callback(self, info: Info[Context, None]) -> WebhookDelivery | None:
        """Return the webhook and its attempts."""
        return await webhook_of(info.context, self.record.id, self.record.callback_url)

    @strawberry.field(
        description="Signed URL of the image, valid for some minutes. Null when no bytes have "
        "arrived."
    )
    def download_url(self, info: Info[Context, None]) -> Url | None:
        """Sign a URL."""
        if self.record.uploaded_at is None:
            return None
        services = info.context.services
        return Url(
            services.storage.presign_get(
                self.record.key,
                self.record.content_type.value,
                self.record.facts.file_name,
                now=services.clock(),
            )
        )

    @strawberry.field(
        description="Signed URL of a WebP of at most 320 by 320 pixels, valid for some minutes. "
        "Null when no bytes have arrived, when they could not be labelled, and where the service "
        "creates no thumbnails: on AWS."
    )
    def thumbnail_url(self, info: Info[Context, None]) -> Url | None:
        """Sign a URL."""
        url = info.context.services.thumbnail_url(self.record, ThumbnailSize.SMALL)
        return Url(url) if url else None

    @strawberry.field(
        description="As `thumbnailUrl`, of at most 2048 by 2048 pixels: to show types that a "
        "browser does not, as HEIC and TIFF."
    )
    def preview_url(self, info: Info[Context, None]) -> Url | None:
        """Sign a URL."""
        url = info.context.services.thumbnail_url(self.record, ThumbnailSize.LARGE)
        return Url(url) if url else None

    @strawberry.field(description=SIMILAR)
    async def similar(
        self,
        info: Info[Context, None],
        kind: Annotated[
            SimilarKind, strawberry.argument(description="Which blobs to list.")
        ] = SimilarKind.SIMILAR,
        first: First = 20,
        after: After = UNSET,
    ) -> SimilarBlobConnection | None:
        """Find blobs that look like it."""
        page = await find_similar(info.context, self.record.id, kind, first, after or None)
        if page is None:
            return None
        edges = [
            SimilarBlobEdge(cursor=cursor, node=Blob.of(each.blob), similarity=each.similarity)
            for cursor, each in page.found
        ]
        return SimilarBlobConnection(
            edges=edges, nodes=[edge.node for edge in edges], page_info=page.info
        )
