"""Problem details: the body of every error response outside GraphQL and the signed URLs. Pure.

RFC 9457, "Problem Details for HTTP APIs".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from api.errors import Code

PROBLEM_JSON: Final = "application/problem+json"
# Key of an ASGI scope: the path of the public URL. Unlike `root_path`, it is not part of `path`.
PUBLIC_PATH: Final = "labelling.public_path"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, its title, and what the client does about it."""

    status: int
    title: str
    remedy: str


# By code. A failure that GraphQL has too has the same name here.
KINDS: Final = {
    Code.BAD_REQUEST.value: Kind(400, "The request is malformed.", "Correct what `detail` names."),
    Code.UNAUTHENTICATED.value: Kind(
        401,
        "The request has no valid API key or token.",
        "Send one as `Authorization: Bearer <key>`.",
    ),
    Code.FORBIDDEN.value: Kind(
        403,
        "The request is not allowed.",
        "Use a key with the scopes in `missing_scopes`. Where there are none, the Host or Origin "
        "header is not this service's.",
    ),
    Code.NOT_FOUND.value: Kind(404, "There is nothing at this path.", "Compare it with /docs."),
    "BlobNotFound": Kind(404, "You have no blob with this id.", "Check the id and the API key."),
    Code.METHOD_NOT_ALLOWED.value: Kind(
        405, "The path does not have this method.", "Send a method of the header `Allow`."
    ),
    "RequestTimeout": Kind(
        408, "The request did not arrive in time.", "Send it again, without pauses."
    ),
    "ExternalIdTaken": Kind(
        409,
        "Another blob of yours has this external id.",
        "Use that blob, whose id is `blob_id`, or give another external id.",
    ),
    Code.TOO_LARGE.value: Kind(
        413, "The body is too long.", "Send images to their upload URL, not in a request."
    ),
    Code.UNSUPPORTED_MEDIA_TYPE.value: Kind(
        415, "The body is a form or a file.", "Send JSON, then the image to `upload_url`."
    ),
    "CallbackUrlRefused": Kind(
        422, "No webhook can be sent to this URL.", "Correct what `detail` names."
    ),
    "InvalidInput": Kind(
        422, "Values of the request are invalid.", "Correct the fields in `problems`."
    ),
    "QuotaExceeded": Kind(
        429, "The owner's quota is exceeded.", "Wait until `retry_at`, or delete blobs."
    ),
    Code.TOO_MANY_REQUESTS.value: Kind(
        429, "The client sends too many requests.", "Wait for the seconds in `retry_after`."
    ),
    "RequestHeaderSectionTooLarge": Kind(
        431, "The request's headers are too large.", "Send less, often a smaller cookie."
    ),
    Code.INTERNAL_SERVER_ERROR.value: Kind(
        500,
        "The service made an error.",
        "Give the operator `request_id`: the log has the cause under it.",
    ),
    Code.SERVICE_UNAVAILABLE.value: Kind(
        503, "The service can't answer now.", "Retry after some seconds."
    ),
    "StorageFull": Kind(507, "The service has no space left.", "Delete blobs to make room."),
}


def problem(
    code: str, detail: str, *, public_path: str = "", status: int | None = None, **members: Any
) -> dict[str, Any]:
    """Return the problem details of a kind.

    `type` is the place of the kind in the page /docs; `public_path` is the path below which
    clients reach the service. `members` are extension members (RFC 9457, 3.2).
    """
    kind = KINDS[code]
    return {
        "type": f"{public_path}/docs#{code}",
        "title": kind.title,
        "status": status or kind.status,
        "detail": detail,
        "code": code,
        **members,
    }
