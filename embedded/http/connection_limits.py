"""HTTP/1.1 connections with limits that hold before authentication.

uvicorn's parser collects a request head without end, and its only timer is that of idle keep-alive
connections. Here every byte of a client belongs to a part of a request (RFC 9112) that is limited:

- the head, and the trailer section of a chunked body: in bytes, fields and seconds
- the framing of a chunked body, such as chunk extensions: in bytes
- a body: in seconds without a byte and in seconds in all; the routes limit its bytes

Bytes are counted for each read of the socket, so that up to one read more (256 KiB) may be parsed.
Nothing is due from the client while the service works on a response or does not read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.rest.problems import problem
from core.runtime.refusals import Refusals

if TYPE_CHECKING:
    import asyncio


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How much a client may send, and how long it may take."""

    head_bytes: int = 64 * 1024
    head_fields: int = 100
    head_seconds: float = 10.0
    keep_alive_seconds: float = 5.0
    body_idle_seconds: float = 30.0
    body_seconds: float = 1800.0


DEFAULT_LIMITS: Final = ConnectionLimits()


class _Part(Enum):
    """The part of a request that has begun and is not complete."""

    HEAD = "header section"
    BODY = "body"


class _TooLarge(Exception):
    """Stops the parser."""


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol with limits.

    A request that is complete when its first bytes arrive, as almost all are, sets no timer.
    """

    limits = DEFAULT_LIMITS
    refusals = Refusals()  # of all connections

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.timeout_keep_alive = self.limits.keep_alive_seconds  # type: ignore[assignment]
        self.headers = []
        self._part: _Part | None = None
        self._pending_bytes = 0  # received and not yet a complete head, or bytes of a body
        self._too_large = False
        self._deadline: float | None = None  # of what is due from the client
        self._body_deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    # Events of the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._expect_at(self.loop.time() + self.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._expect_nothing()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the WebSocket protocol."""
        self._expect_nothing()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Parse what the client sent."""
        self._pending_bytes += len(data)
        super().data_received(data)
        if self._part is not None or self._pending_bytes:
            self._await_rest()

    # Events of the parser

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._part = _Part.HEAD
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End the head. A body may follow."""
        if self._pending_bytes > self.limits.head_bytes:  # with what follows it
            self._check_head_bytes()
        self._check_fields()
        self._part = _Part.BODY
        self._body_deadline = None
        self._pending_bytes = 0
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """Begin a chunk; after the last one there may be trailer fields, which are dropped."""
        self.headers = []

    def on_body(self, body: bytes) -> None:
        """Add bytes of the body."""
        self._pending_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._check_fields()
        self._part = self._deadline = None
        self._pending_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Reject what the parser did not accept."""
        if self._too_large:
            self._reject_large()
        else:
            super().send_400_response(msg)

    # Limits of size

    def _check_head_bytes(self) -> None:
        fields = sum(len(name) + len(value) for name, value in self.headers)
        if len(self.url) + fields > self.limits.head_bytes:
            self._too_large = True
            raise _TooLarge

    def _check_fields(self) -> None:
        if len(self.headers) > self.limits.head_fields:
            self._too_large = True
            raise _TooLarge

    # Limits of time

    def _await_rest(self) -> None:
        limits = self.limits
        if self._pending_bytes > limits.head_bytes or len(self.headers) > limits.head_fields:
            self._reject_large()
        elif self._part is _Part.BODY:
            now = self.loop.time()
            if self._body_deadline is None:
                self._body_deadline = now + limits.body_seconds
            self._expect_at(min(now + limits.body_idle_seconds, self._body_deadline))
        elif self._deadline is None and (self._part or not self._is_responding()):
            # Only once for a head, and for the empty lines that may precede it.
            self._expect_at(self.loop.time() + limits.head_seconds)

    def _expect_at(self, deadline: float) -> None:
        self._deadline = deadline
        # A timer that fires too early is set again, so that it need not be moved each time.
        if self._timer is None or deadline < self._timer_at:
            self._set_timer(deadline)

    def _expect_nothing(self) -> None:
        self._deadline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(at, self._check_deadline)
        self._timer_at = at

    def _check_deadline(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        now = self.loop.time()
        if self.flow.read_paused:  # the client waits for the service
            limits = self.limits
            in_body = self._part is _Part.BODY
            self._deadline = now + (limits.body_idle_seconds if in_body else limits.head_seconds)
            self._body_deadline = max(self._body_deadline or 0, self._deadline)
        if now < self._deadline:
            self._set_timer(self._deadline)
        elif self._part is None:
            self.transport.close()
        else:
            self._reject_slow(self._part)

    # Rejections

    def _reject_large(self) -> None:
        limits = self.limits
        self._reject(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "RequestHeaderSectionTooLarge",
            f"The header or trailer section of a request may have {limits.head_bytes} bytes and "
            f"{limits.head_fields} fields. Send a smaller one.",
        )

    def _reject_slow(self, part: _Part) -> None:
        limits = self.limits
        due = (
            f"within {limits.head_seconds:g} s"
            if part is _Part.HEAD
            else f"within {limits.body_seconds:g} s and without a pause of "
            f"{limits.body_idle_seconds:g} s"
        )
        self._reject(
            HTTPStatus.REQUEST_TIMEOUT,
            "RequestTimeout",
            f"The {part.value} of a request must arrive {due}. Send the request again.",
        )

    def _reject(self, status: HTTPStatus, code: str, message: str) -> None:
        """Close the connection, with a response unless another response is in progress."""
        if self.transport.is_closing():
            return
        self.refusals.add("http", code, address=self.client[0] if self.client else None)
        if self._can_reject():
            self.transport.write(_response(status, code, message))
            if self._part is _Part.BODY:
                self.cycle.disconnected = True  # the route's own response is dropped
        self.transport.close()

    def _can_reject(self) -> bool:
        if self._part is _Part.BODY:  # of the request that is answered now, if there is no other
            return not (self.pipeline or self.cycle.response_started)
        return not self._is_responding()

    def _is_responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


def bounded_by(
    limits: ConnectionLimits, refusals: Refusals | None = None
) -> type[BoundedConnection]:
    """Return the protocol class with other limits; it counts what it rejects in `refusals`."""
    fields = {"limits": limits, "refusals": refusals or Refusals()}
    return type("BoundedConnection", (BoundedConnection,), fields)


def _response(status: HTTPStatus, code: str, message: str) -> bytes:
    body = json.dumps(problem(code, message)).encode()
    return b"".join(
        [
            STATUS_LINE[status],
            b"content-type: application/problem+json\r\nconnection: close\r\n",
            b"content-length: %d\r\n\r\n" % len(body),
            body,
        ]
    )
