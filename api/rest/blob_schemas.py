"""The bodies of the routes of blobs."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from api.graphql.metadata import EXTERNAL_ID, FILE_NAME, METADATA
from api.rest.schemas import Timestamp, hide_default
from core.domain import blob as domain
from core.domain.blob import BlobStatus, FailureCode, ImageType


class NewBlob(BaseModel):
    """The upload to create. Every member may be absent."""

    model_config = ConfigDict(extra="forbid")

    callback_url: str | None = Field(
        default=None,
        description="Receives a signed webhook once the blob is LABELLED or FAILED.",
        examples=["https://example.org/hook"],
        json_schema_extra=hide_default,
    )
    content_type: ImageType = Field(
        default=ImageType.JPEG,
        description="Media type of the image. Its upload must send the same. Absent: image/jpeg.",
        examples=["image/png"],
        json_schema_extra=hide_default,
    )
    size_bytes: int | None = Field(
        default=None,
        strict=True,  # otherwise true is 1, and "5" is 5
        description="Size of the image in bytes. If given, an upload of another size is rejected. "
        "Some services require it.",
        examples=[123456],
        json_schema_extra=hide_default,
    )
    file_name: str | None = Field(
        default=None,
        description=FILE_NAME,
        examples=["cat.jpg"],
        json_schema_extra=hide_default,
    )
    external_id: str | None = Field(
        default=None,
        description=EXTERNAL_ID,
        examples=["order-17"],
        json_schema_extra=hide_default,
    )
    metadata: dict[str, str] = Field(
        default_factory=dict,
        description=METADATA,
        examples=[{"album": "Holidays 2026"}],
    )


class CreatedBlob(BaseModel):
    """A blob that awaits its bytes, and where to send them."""

    blob_id: str = Field(description="Id of the blob.", examples=["01ARYZ6S41TSV4RRFFQ69G5FAV"])
    upload_url: str = Field(
        description="Signed URL. Send the image's bytes to it with PUT, within 15 minutes.",
        examples=["http://127.0.0.1:8000/originals/local/01ARYZ6S41TSV4RRFFQ69G5FAV?..."],
    )
    upload_headers: dict[str, str] = Field(
        description="Headers of that PUT, to be sent exactly as they are here.",
        examples=[{"Content-Type": "image/png"}],
    )


class BlobLabel(BaseModel):
    """Something that was detected in an image."""

    label: str = Field(description="Name of the label.", examples=["Cat"])
    confidence: float = Field(description="Confidence, from 0 to 100.", examples=[91.5])
    parents: list[str] = Field(
        description="Names of all ancestors in the detector's taxonomy, nearest first.",
        examples=[["Animal"]],
    )


class BlobFailure(BaseModel):
    """Why labelling failed."""

    code: FailureCode = Field(description="The reason, for a program.", examples=["CORRUPT_IMAGE"])
    message: str = Field(
        description="The reason, for the person who sent the image.",
        examples=["The picture is damaged or incomplete."],
    )


class Blob(BaseModel):
    """An uploaded image and its labels."""

    blob_id: str = Field(description="Id of the blob.", examples=["01ARYZ6S41TSV4RRFFQ69G5FAV"])
    status: BlobStatus = Field(
        description="AWAITING_UPLOAD: its bytes have not arrived. LABELLING: it is being labelled. "
        "LABELLED: it has labels. FAILED: it could not be labelled; see `failure`. EXPIRED: its "
        "bytes never arrived.",
        examples=["LABELLED"],
    )
    labels: list[BlobLabel] | None = Field(
        description="Labels, most confident first. Null: not labelled yet. Empty: nothing was "
        "detected."
    )
    failure: BlobFailure | None = Field(
        description="Set when status is FAILED; otherwise null.", examples=[None]
    )
    file_name: str | None = Field(
        description="Name of its file, as you gave it.", examples=["cat.jpg"]
    )
    external_id: str | None = Field(description="Your own id of the image.", examples=["order-17"])
    metadata: dict[str, str] = Field(
        description="Your own facts about the image.", examples=[{"album": "Holidays 2026"}]
    )
    deletes_at: Timestamp | None = Field(
        description="When it will be deleted, unless GraphQL's restoreBlobs restores it before: "
        "meanwhile no list has it. Null: it is not to be deleted.",
        examples=[None],
    )

    @classmethod
    def of(cls, blob: domain.Blob) -> Self:
        """Return a blob as REST shows it."""
        labels = blob.labels and [
            BlobLabel(label=each.name, confidence=each.confidence, parents=list(each.parents))
            for each in blob.labels
        ]
        return cls(
            blob_id=blob.id,
            status=blob.status,
            labels=None if blob.labels is None else list(labels or ()),
            failure=blob.failure
            and BlobFailure(code=blob.failure.code, message=blob.failure.message),
            file_name=blob.facts.file_name,
            external_id=blob.facts.external_id,
            metadata=dict(blob.facts.metadata),
            deletes_at=blob.deletes_at,
        )
