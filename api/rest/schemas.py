"""The bodies of REST requests and responses, from which the OpenAPI document is made."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from core.domain import blob as domain
from core.domain.blob import BlobStatus, FailureCode, ImageType


def _hide_default(schema: dict[str, Any]) -> None:
    """Remove a default: openapi-typescript would make the member required."""
    del schema["default"]


class NewBlob(BaseModel):
    """The upload to create. Every member may be absent."""

    model_config = ConfigDict(extra="forbid")

    callback_url: str | None = Field(
        default=None,
        description="Receives a signed webhook once the blob is LABELLED or FAILED.",
        examples=["https://example.org/hook"],
        json_schema_extra=_hide_default,
    )
    content_type: ImageType = Field(
        default=ImageType.JPEG,
        description="Media type of the image. Its upload must send the same. Absent: image/jpeg.",
        examples=["image/png"],
        json_schema_extra=_hide_default,
    )
    size_bytes: int | None = Field(
        default=None,
        description="Size of the image in bytes. If given, an upload of another size is rejected. "
        "Some services require it.",
        examples=[123456],
        json_schema_extra=_hide_default,
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
        )


class Health(BaseModel):
    """The process runs."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether the service can serve, and the result of each check."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str] = Field(
        description="`ok`, or the error, by the name of the check.", examples=[{"store": "ok"}]
    )


class PublicKey(BaseModel):
    """A JSON Web Key (RFC 7517, RFC 8037)."""

    crv: Literal["Ed25519"]
    kty: Literal["OKP"]
    x: str = Field(description="The public key in base64url.")
    alg: Literal["EdDSA"]
    use: Literal["sig"]
    kid: str = Field(description="Thumbprint of the key (RFC 7638).")
    whpk: str = Field(description="The key as Standard Webhooks writes it.")


class PublicKeys(BaseModel):
    """The keys that verify an owner's webhooks, newest first."""

    keys: list[PublicKey]


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str = Field(description="URI reference of the kind's description.")
    title: str = Field(description="The kind of problem, for a person.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong here and what to do, for a person.")
    code: str = Field(description="The kind of problem, for a program.")


class Unauthenticated(Problem):
    """The request has no valid API key or token."""

    code: Literal["UNAUTHENTICATED"]


class Forbidden(Problem):
    """The key or token lacks a scope, or the page may not use the service."""

    code: Literal["FORBIDDEN"]
    missing_scopes: list[str] = Field(
        description="The scopes that the key or token lacks. Empty where the Host or Origin header "
        "is the reason."
    )


class BlobNotFound(Problem):
    """The owner has no blob with this id."""

    code: Literal["BlobNotFound"]
    blob_id: str = Field(description="The id in the request.")


class TooLarge(Problem):
    """The body is too long."""

    code: Literal["TOO_LARGE"]


class FieldProblem(BaseModel):
    """A value that is invalid."""

    field: str = Field(description="Name of the field, or of the parameter; `body` for the body.")
    path: list[str] = Field(
        description="Where the value is in the body: names, and positions in lists from 0."
    )
    message: str = Field(description="The allowed values.")


class InvalidInput(Problem):
    """Values of the request are invalid."""

    code: Literal["InvalidInput"]
    problems: list[FieldProblem] = Field(description="Each value that is invalid.")


class CallbackUrlRefused(Problem):
    """No webhook can be sent to this URL."""

    code: Literal["CallbackUrlRefused"]
    url: str = Field(description="The URL in the request.")


class QuotaExceeded(Problem):
    """The owner's quota is exceeded."""

    code: Literal["QuotaExceeded"]
    retry_at: datetime = Field(description="When a retry can succeed.")


class TooManyRequests(Problem):
    """The key, or the address, sends too many requests."""

    code: Literal["TOO_MANY_REQUESTS"]
    retry_after: int = Field(description="Seconds to wait, as in the header Retry-After.")


class InternalServerError(Problem):
    """The service made an error."""

    code: Literal["INTERNAL_SERVER_ERROR"]
    request_id: str = Field(description="Id of the request in the operator's log.")


class ServiceUnavailable(Problem):
    """The service can't answer now."""

    code: Literal["SERVICE_UNAVAILABLE"]
    request_id: str | None = Field(
        default=None,
        description="Id of the request in the operator's log, where a store is the reason.",
        json_schema_extra=_hide_default,
    )
    retry_after: int | None = Field(
        default=None,
        description="Seconds to wait, where too many requests are in progress.",
        json_schema_extra=_hide_default,
    )


class StorageFull(Problem):
    """The service has no space left."""

    code: Literal["StorageFull"]


PROBLEMS: tuple[type[Problem], ...] = (
    Unauthenticated,
    Forbidden,
    BlobNotFound,
    TooLarge,
    InvalidInput,
    CallbackUrlRefused,
    QuotaExceeded,
    TooManyRequests,
    InternalServerError,
    ServiceUnavailable,
    StorageFull,
)


def code_of(kind: type[Problem]) -> str:
    """Return the code of a kind of problem."""
    annotation: Any = kind.model_fields["code"].annotation
    code: str = annotation.__args__[0]
    return code
