"""A response with a file that can be deleted, or fail to be read, at any moment."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import FileResponse, JSONResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

    from api.errors import TooManyRequests

log = logging.getLogger(__name__)

UNAVAILABLE: Final = (
    "The service can't read or store images now. Try again in a moment; the operator finds the "
    "cause in the log."
)


class StoredFile(FileResponse):
    """Sends a file; 404 if it does not exist, 503 if it can't be read. `release` is called last.

    When reading fails after the first byte was sent, the connection is closed: the body is then
    shorter than its Content-Length.
    """

    def __init__(
        self, path: Path, *, release: Callable[[], None] = lambda: None, **options: Any
    ) -> None:
        super().__init__(path, **options)
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, or an error response in its place."""
        try:
            await self._send(scope, receive, send)
        finally:
            self._release()

    async def _send(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun: list[Message] = []
        is_sent = False

        async def send_late(message: Message) -> None:
            # The file is opened after "start", which can't be taken back once it is sent.
            nonlocal is_sent
            if message["type"] == "http.response.start":
                begun.append(message)
                return
            if not is_sent:
                is_sent = True
                for each in begun:
                    await send(each)
            await send(message)

        try:
            await super().__call__(scope, receive, send_late)
        except (OSError, RuntimeError) as exc:  # Starlette raises RuntimeError for a missing file
            if is_sent:
                log.error("file broke off", extra={"error": str(exc)})  # noqa: TRY400  # no bug of ours
                return
            if isinstance(exc, RuntimeError | FileNotFoundError):
                answer = error_response(404, "NoSuchKey", "The image's bytes no longer exist.")
            else:
                log.error("file can't be read", extra={"error": str(exc)})  # noqa: TRY400
                answer = error_response(503, "ServiceUnavailable", UNAVAILABLE)
            await answer(scope, receive, send)


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return the response to an upload or download that can't be done."""
    return JSONResponse({"code": code, "message": message}, status_code=status, headers=headers)


def slow_down(error: TooManyRequests) -> JSONResponse:
    """Return the response to an owner with too many requests in progress, as S3's."""
    return error_response(503, "SlowDown", str(error), error.headers)
