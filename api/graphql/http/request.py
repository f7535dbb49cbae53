"""Reads GraphQL requests over HTTP (https://graphql.github.io/graphql-over-http/draft/)."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from starlette.requests import Request

from api.errors import Code, RequestError
from api.limits import MAX_REQUEST

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.types import Scope

JSON: Final = "application/json"
_MAX_DIGITS: Final = len(str(MAX_REQUEST))


class BoundedRequest(Request):
    """A request whose body may have at most MAX_REQUEST bytes."""

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body. Raises RequestError once it is too long."""
        received = 0
        declared = self.headers.get("content-length", "")
        # Digits are counted first: Python refuses to parse thousands of them.
        if len(declared) > _MAX_DIGITS or (declared.isdecimal() and int(declared) > MAX_REQUEST):
            raise _too_large()
        async for chunk in super().stream():
            received += len(chunk)
            if received > MAX_REQUEST:
                raise _too_large()
            yield chunk


def _too_large() -> RequestError:
    return RequestError(Code.TOO_LARGE, f"A request's body is at most {MAX_REQUEST} bytes.")


def request_id_of(scope: Scope) -> str:
    """Return Lambda's id of the request, or a new one."""
    context = scope.get("aws.context")
    return str(context.aws_request_id) if context else uuid4().hex


def wants_page(request: Request) -> bool:
    """Tell whether a browser opens the URL, rather than a client sending an operation."""
    return (
        request.method == "GET"
        and not {"query", "extensions"} & request.query_params.keys()
        and "text/html" in request.headers.get("accept", "")
    )


def read_request(
    method: str, params: Mapping[str, str], content_type: str, body: bytes
) -> dict[str, Any]:
    """Read the parameters of a request: `query`, `variables`, `operationName`, `extensions`.

    Raises RequestError when they are malformed.
    """
    if method == "GET":
        parameters: Any = _url_parameters(params)
    else:
        _check_content_type(content_type)
        parameters = _read_json(body, "The body")
    if isinstance(parameters, list):
        raise RequestError(Code.BAD_REQUEST, "Batching is off: send one operation a request.")
    if not isinstance(parameters, dict):
        raise RequestError(Code.BAD_REQUEST, "The body must be a JSON object.")
    return {
        "query": _parameter(parameters, "query", str, "a string"),
        "variables": _parameter(parameters, "variables", dict, "an object"),
        "operationName": _parameter(parameters, "operationName", str, "a string") or None,
        "extensions": _parameter(parameters, "extensions", dict, "an object"),
    }


def _parameter(given: Mapping[str, Any], name: str, kind: type, described: str) -> Any:
    value = given.get(name)
    if value is not None and not isinstance(value, kind):
        raise RequestError(Code.BAD_REQUEST, f"'{name}' must be {described} or null.")
    return value


def _url_parameters(given: Mapping[str, str]) -> dict[str, Any]:
    """Read the parameters of a GET, where objects are JSON."""
    parameters: dict[str, Any] = dict(given)
    for name in ("variables", "extensions"):
        if name in parameters:
            text = parameters[name]
            parameters[name] = _read_json(text, name) if text else None
    return parameters


def _read_json(text: str | bytes, what: str) -> Any:
    try:
        return _DECODER.decode(
            text
            if isinstance(text, str)
            else text.decode(json.detect_encoding(text), "surrogatepass")
        )
    except (ValueError, RecursionError) as exc:
        raise RequestError(Code.BAD_REQUEST, f"{what} can't be read as JSON.") from exc


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is Python's, not JSON's")


_DECODER: Final = json.JSONDecoder(parse_constant=_reject_constant)


@lru_cache(maxsize=64)
def _check_content_type(header: str) -> None:
    """Accept only JSON: a page of another site can send a form without a CORS preflight.

    Raises RequestError.
    """
    kind, *parameters = (part.strip().lower() for part in header.split(";"))
    charsets = [each.partition("=")[2] for each in parameters if each.startswith("charset=")]
    if kind != JSON or any(each.strip('"') not in ("utf-8", "utf8") for each in charsets):
        raise RequestError(
            Code.UNSUPPORTED_MEDIA_TYPE, f"Send {JSON} in UTF-8.", headers={"accept-post": JSON}
        )
