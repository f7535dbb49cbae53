"""Compression of JSON responses (RFC 9110, 8.4 and 12.5.3)."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders

from api.graphql.http.request import JSON
from api.graphql.http.response import GRAPHQL_JSON

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_BYTES: Final = 1024  # a smaller body fits in the packet of its header
LEVEL: Final = 1  # level 6 takes twice as long for a tenth less
_GZIP: Final = 31  # zlib's window bits, with the header of gzip
_COMPRESSED: Final = (JSON.encode(), GRAPHQL_JSON.encode())


class CompressJson:
    """ASGI middleware: compresses JSON responses of one part for clients that accept gzip.

    Streams are passed on as they come.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and accepts_gzip(Headers(scope=scope).get("accept-encoding")):
            send = _compressing(send)
        await self._app(scope, receive, send)


@lru_cache(maxsize=64)
def accepts_gzip(accepted: str | None) -> bool:
    """Tell whether an Accept-Encoding header names gzip, with a weight that is not zero."""
    for part in (accepted or "").lower().split(","):
        coding, *parameters = (each.strip() for each in part.split(";"))
        if coding in ("gzip", "x-gzip"):
            weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
            return weight.strip("0.") != ""
    return False


def _compressing(send: Send) -> Send:
    held: list[Message] = []

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start" and _is_json(message):
            held.append(message)  # its Content-Length follows from the body
            return
        if held:
            start = held.pop()
            if not message.get("more_body") and len(message["body"]) >= MIN_BYTES:
                start, message = _compressed(start, message)
            await send(start)
        await send(message)

    return sending


def _is_json(start: Message) -> bool:
    kind = next((value for name, value in start["headers"] if name == b"content-type"), b"")
    return kind.partition(b";")[0] in _COMPRESSED


def _compressed(start: Message, message: Message) -> tuple[Message, Message]:
    body = zlib.compress(message["body"], LEVEL, _GZIP)
    headers = MutableHeaders(raw=list(start["headers"]))
    headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(body))
    headers.add_vary_header("Accept-Encoding")
    return {**start, "headers": headers.raw}, {**message, "body": body}
