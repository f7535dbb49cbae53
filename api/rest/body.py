"""Reads the body of a request to create a blob."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from api.errors import Code, RequestError
from api.graphql.http.request import BoundedRequest
from api.rest.blob_schemas import NewBlob
from api.services.uploads import InvalidUpload
from core.domain.errors import InvalidValue

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from starlette.requests import Request

SEND_JSON: Final = "Send JSON here, then the image's bytes to upload_url."
# By pydantic's type of error; `{}` is a value of its context.
_MESSAGES: Final = {
    "dict_type": "must be an object of texts",
    "enum": "must be {expected}",
    "extra_forbidden": "unknown field; the fields are " + ", ".join(sorted(NewBlob.model_fields)),
    "int_type": "must be an integer",
    "json_invalid": "not JSON: {error}",
    "model_type": "must be a JSON object",
    "string_type": "must be a text",
}


async def read_new_blob(request: Request) -> NewBlob:
    """Return the upload to create; without a body, the default.

    Raises:
        InvalidUpload: the body is not JSON, or its values are invalid.
        RequestError: the body is a form or a file, or is too large.

    """
    body = await BoundedRequest(request.scope, request.receive).body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind.startswith(("multipart/", "image/")):
        raise RequestError(Code.UNSUPPORTED_MEDIA_TYPE, f"The body is {kind}. {SEND_JSON}")
    try:
        return NewBlob.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise InvalidUpload(tuple(map(_invalid, error.errors(include_url=False)))) from error


def _invalid(error: ErrorDetails) -> InvalidValue:
    path = tuple(map(str, error["loc"]))
    message = _MESSAGES.get(error["type"], error["msg"]).format(**error.get("ctx", {}))
    return InvalidValue(".".join(path) or "body", message, path)
