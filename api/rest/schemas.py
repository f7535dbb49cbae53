"""The bodies of REST requests and responses, from which the OpenAPI document is made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, PlainSerializer, WithJsonSchema

from core.domain.clock import to_text

_TIMESTAMP: Final = {"type": "string", "format": "date-time"}
# As everywhere else: RFC 3339, UTC, with milliseconds.
Timestamp = Annotated[
    datetime, PlainSerializer(to_text, return_type=str), WithJsonSchema(_TIMESTAMP)
]


def hide_default(schema: dict[str, Any]) -> None:
    """Remove a default: openapi-typescript would make the member required."""
    del schema["default"]


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


class UnsupportedMediaType(Problem):
    """The body is a form or a file."""

    code: Literal["UNSUPPORTED_MEDIA_TYPE"]


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


class ExternalIdTaken(Problem):
    """Another blob of the owner has this external id."""

    code: Literal["ExternalIdTaken"]
    blob_id: str = Field(description="Id of that blob.")


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
        json_schema_extra=hide_default,
    )
    retry_after: int | None = Field(
        default=None,
        description="Seconds to wait, where too many requests are in progress.",
        json_schema_extra=hide_default,
    )


class StorageFull(Problem):
    """The service has no space left."""

    code: Literal["StorageFull"]


PROBLEMS: tuple[type[Problem], ...] = (
    Unauthenticated,
    Forbidden,
    BlobNotFound,
    TooLarge,
    UnsupportedMediaType,
    InvalidInput,
    CallbackUrlRefused,
    ExternalIdTaken,
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
