"""The OpenAPI document of the REST routes: what FastAPI finds out, with problems and security."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api.limits import MAX_REQUEST
from api.rest import schemas
from api.rest.blob_schemas import NewBlob
from api.rest.body import SEND_JSON
from api.rest.problems import KINDS, PROBLEM_JSON, problem
from api.rest.schemas import PROBLEMS, Problem, code_of
from core.domain.errors import ExternalIdTaken

if TYPE_CHECKING:
    from fastapi import FastAPI

TITLE: Final = "Image labelling"
VERSION: Final = "1"
DESCRIPTION: Final = (
    "Upload an image, get its labels. `POST /v1/blobs` creates an upload; send the bytes to its "
    "URL; `GET /v1/blobs/{blob_id}` returns the labels. The GraphQL API at `/graphql` does the "
    "same and more. `/blobs` is another name of `/v1/blobs`. Every error of these routes has "
    "problem details (RFC 9457); more kinds, and more members of a kind, may be added. The errors "
    "of an upload URL are those of the object store."
)
# What a route with a key can answer besides its own problems.
KEYED: Final = (
    schemas.Unauthenticated,
    schemas.Forbidden,
    schemas.TooManyRequests,
    schemas.InternalServerError,
    schemas.ServiceUnavailable,
)
SECURITY: Final[dict[str, Any]] = {"security": [{"key": []}]}
KNOWN: Final[tuple[type[Problem], ...]] = (Problem, *PROBLEMS)
_REF: Final = "#/components/schemas/{model}"
KEY: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, made by `labelling keys create`, or a token of the operator's "
    "OpenID Connect issuer. A service that only its own machine can reach needs none.",
}
_ID: Final = "01ARYZ6S41TSV4RRFFQ69G5FAV"
# An example of each kind: `detail`, and the members that other kinds don't have.
_EXAMPLES: Final[dict[type[Problem], tuple[str, dict[str, Any]]]] = {
    schemas.Unauthenticated: (
        "A valid API key is needed: send one as 'Authorization: Bearer <key>'.",
        {},
    ),
    schemas.Forbidden: (
        "Query.blob needs the scope 'read', which the key or token does not have.",
        {"missing_scopes": ["read"]},
    ),
    schemas.BlobNotFound: (f"No blob {_ID}.", {"blob_id": _ID}),
    schemas.TooLarge: (f"A request's body is at most {MAX_REQUEST} bytes.", {}),
    schemas.UnsupportedMediaType: (f"The body is multipart/form-data. {SEND_JSON}", {}),
    schemas.InvalidInput: (
        "content_type: must be 'image/jpeg' or 'image/png'",
        {
            "problems": [
                {
                    "field": "content_type",
                    "path": ["content_type"],
                    "message": "must be 'image/jpeg' or 'image/png'",
                }
            ]
        },
    ),
    schemas.CallbackUrlRefused: (
        "No webhook can be sent to this callbackUrl: it must start with https://.",
        {"url": "ftp://example.org/hook"},
    ),
    schemas.ExternalIdTaken: (str(ExternalIdTaken(_ID)), {"blob_id": _ID}),
    schemas.QuotaExceeded: (
        "The limit is 6000 uploads per minute. Try again in the next minute.",
        {"retry_at": "2026-01-31T12:01:00.000Z"},
    ),
    schemas.TooManyRequests: (
        "This API key sends too many requests: wait 1 s before the next.",
        {"retry_after": 1},
    ),
    schemas.InternalServerError: (
        "Internal error. The operator finds the cause in the log.",
        {"request_id": "0123456789abcdef0123456789abcdef"},
    ),
    schemas.ServiceUnavailable: (
        "The service has too many requests in progress: wait 5 s before the next.",
        {"retry_after": 5},
    ),
    schemas.StorageFull: ("The service's disk is full. Delete blobs to make room.", {}),
}

# Name, type and description of a header, and the kinds of problems that have it.
_HEADERS: Final[tuple[tuple[str, str, str, tuple[type[Problem], ...]], ...]] = (
    (
        "WWW-Authenticate",
        "string",
        "As in RFC 6750, 3.",
        (schemas.Unauthenticated, schemas.Forbidden),
    ),
    (
        "Retry-After",
        "integer",
        "Seconds to wait.",
        (schemas.QuotaExceeded, schemas.TooManyRequests, schemas.ServiceUnavailable),
    ),
)


def responses(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Return the responses with these kinds of problems, as a FastAPI route declares them."""
    by_status: dict[int, list[type[Problem]]] = {}
    for kind in kinds:
        by_status.setdefault(KINDS[code_of(kind)].status, []).append(kind)
    return {status: _response(by_status[status]) for status in sorted(by_status)}


def example_of(kind: type[Problem]) -> dict[str, Any]:
    """Return an example of a kind of problem."""
    detail, members = _EXAMPLES[kind]
    return problem(code_of(kind), detail, **members)


def _response(kinds: list[type[Problem]]) -> dict[str, Any]:
    refs = [{"$ref": _REF.format(model=kind.__name__)} for kind in kinds]
    content = {
        "schema": refs[0] if len(refs) == 1 else {"anyOf": refs},
        "examples": {code_of(kind): {"value": example_of(kind)} for kind in kinds},
    }
    description = " ".join(KINDS[code_of(kind)].title for kind in kinds)
    response: dict[str, Any] = {"description": description, "content": {PROBLEM_JSON: content}}
    if headers := _headers(kinds):
        response["headers"] = headers
    return response


def _headers(kinds: list[type[Problem]]) -> dict[str, Any]:
    return {
        name: {"description": description, "schema": {"type": kind}}
        for name, kind, description, holders in _HEADERS
        if not set(holders).isdisjoint(kinds)
    }


def document_of(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document of an application. It is made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
            servers=app.servers,
            tags=app.openapi_tags,
        )
        _, requests = models_json_schema([(NewBlob, "validation")], ref_template=_REF)
        _drop_validation_errors(made)
        found = made["components"]["schemas"] | problem_schemas() | requests["$defs"]
        made["components"] = {
            "schemas": dict(sorted(found.items())),
            "securitySchemes": {"key": KEY},
        }
        app.openapi_schema = made
    return app.openapi_schema


def problem_schemas() -> dict[str, Any]:
    """Return the schemas of all kinds of problems, by name."""
    _, found = models_json_schema([(kind, "serialization") for kind in KNOWN], ref_template=_REF)
    problems: dict[str, Any] = found["$defs"]
    return problems


def _drop_validation_errors(document: dict[str, Any]) -> None:
    """Remove FastAPI's own errors: its validation rejects nothing here."""
    for methods in document["paths"].values():
        for operation in methods.values():
            if PROBLEM_JSON not in operation["responses"].get("422", {}).get("content", ()):
                operation["responses"].pop("422", None)
    for name in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(name, None)
