"""The input of createUpload."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from typing import TypeVar

import strawberry
from strawberry import UNSET

from api.graphql.image_types import ImageType
from api.graphql.metadata import (
    EXTERNAL_ID,
    FILE_NAME,
    METADATA,
    MetadataEntryInput,
    pairs_of,
)
from api.graphql.scalars import Url
from api.services import uploads

T = TypeVar("T")


@strawberry.input(
    description="What will be uploaded, and how to label it. Example: `{contentType: JPEG, "
    'callbackUrl: "https://example.org/hook", maxLabels: 5}`.'
)
class CreateUploadInput:
    content_type: ImageType = strawberry.field(
        description="Type of the image. The upload must send the same Content-Type. An image whose "
        "bytes are of another supported type is labelled too; `contentType` then becomes that type."
    )
    size_bytes: int | None = strawberry.field(
        default=UNSET,
        description="Size of the image in bytes. If given, it is signed into the URL and an upload "
        "of another size is rejected.",
    )
    sha256: str | None = strawberry.field(
        default=UNSET,
        description="SHA-256 of the image, in base64. If given, it is signed into the URL and "
        "other bytes are rejected.",
    )
    callback_url: Url | None = strawberry.field(
        default=UNSET,
        description="Receives a signed webhook once the blob is LABELLED or FAILED.",
    )
    callback_on_label_change: bool = strawberry.field(
        default=False,
        description="Send a webhook to `callbackUrl` too when labels of the blob are corrected: "
        "`blob.labels_changed`.",
    )
    max_labels: int | None = strawberry.field(
        default=UNSET,
        description=f"Maximum number of labels, from 1 to {uploads.MAX_LABELS}. Null or omitted: "
        f"the service decides, at present {uploads.DEFAULT_MAX_LABELS}.",
    )
    min_confidence: float | None = strawberry.field(
        default=UNSET,
        description="Minimum confidence of a label, from 0 to 100. Null or omitted: the service "
        f"decides, at present {uploads.DEFAULT_MIN_CONFIDENCE:g}.",
    )
    file_name: str | None = strawberry.field(default=UNSET, description=FILE_NAME)
    external_id: str | None = strawberry.field(default=UNSET, description=EXTERNAL_ID)
    metadata: list[MetadataEntryInput] | None = strawberry.field(
        default=UNSET, description=METADATA
    )
    idempotency_key: str | None = strawberry.field(
        default=UNSET,
        description="Any text of 1 to 255 characters, chosen by the client: it makes a retry safe "
        "when a response is lost. For 24 h, the same key with the same input returns the existing "
        "blob and creates no other; with another input it is rejected. Deleting the blob frees "
        "the key.",
    )

    def to_request(self) -> uploads.UploadRequest:
        """Return the request as the service knows it."""
        return uploads.UploadRequest(
            content_type=self.content_type.value,
            size_bytes=_given(self.size_bytes),
            sha256=_given(self.sha256),
            callback_url=_given(self.callback_url),
            callback_on_label_change=self.callback_on_label_change,
            max_labels=_given(self.max_labels),
            min_confidence=_given(self.min_confidence),
            file_name=_given(self.file_name),
            external_id=_given(self.external_id),
            metadata=pairs_of(_given(self.metadata)),
            idempotency_key=_given(self.idempotency_key),
        )


def _given(value: T | None) -> T | None:
    return None if value is UNSET else value
