"""The server's half of graphql-transport-ws: what messages mean, and how they are written. Pure.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md, sub-protocol
`graphql-transport-ws`. The same for a socket of our own and for API Gateway's, where each message
is an invocation: whoever holds a connection's state reads with `read` and answers with the writers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from api.errors import Code, error_body
from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROTOCOL: Final = "graphql-transport-ws"
MAX_OPERATIONS: Final = 100  # under way on one connection
INIT_SECONDS: Final = 10  # from the handshake to `connection_init`

# Close codes.
BAD_MESSAGE: Final = 4400
UNAUTHORIZED: Final = 4401  # an operation before the acknowledgement
FORBIDDEN: Final = 4403  # no such caller, or one no more
NO_SUBPROTOCOL: Final = 4406
INIT_TIMEOUT: Final = 4408
OPERATION_EXISTS: Final = 4409
TOO_MANY_INITS: Final = 4429
INTERNAL: Final = 4500


class Closed(LabellingError):
    """The socket is to be closed, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Init:
    """`connection_init`: the client says who it is."""

    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ping:
    """`ping`: to be answered with `pong`."""


@dataclass(frozen=True, slots=True)
class Pong:
    """`pong`: asks for nothing."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`subscribe`: an operation of any kind to execute."""

    id: str
    query: str | None = None
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None
    extensions: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """`complete`: the client listens no more."""

    id: str


Message = Init | Ping | Pong | Subscribe | Complete


def read(text: str, max_bytes: int) -> Message:
    """Read what a client sent. Raises Closed for what is no message."""
    if len(text.encode(errors="surrogatepass")) > max_bytes:
        raise Closed(BAD_MESSAGE, f"A message has at most {max_bytes} bytes")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Closed(BAD_MESSAGE, "The message is no JSON") from exc
    match told:
        case {"type": "connection_init"}:
            return Init(_object(told, "payload") or {})
        case {"type": "ping"}:
            return Ping()
        case {"type": "pong"}:
            return Pong()
        case {"type": "complete", "id": str(operation)} if operation:
            return Complete(operation)
        case {"type": "subscribe", "id": str(operation), "payload": dict(payload)} if operation:
            return Subscribe(
                operation,
                _text(payload, "query"),
                _object(payload, "variables"),
                _text(payload, "operationName") or None,
                _object(payload, "extensions"),
            )
    raise Closed(BAD_MESSAGE, "The message is none of the protocol's")


def authorization_of(payload: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    """Return what a client says who it is by: in `connection_init`'s payload, or its handshake.

    Its name is `authorization`, in any case; the payload's is asked first.
    """
    for source in (payload, headers):
        for name, value in source.items():
            if name.lower() == "authorization" and isinstance(value, str):
                return value
    return None


def unauthorized() -> Closed:
    """Make the end of a connection that asks before it was acknowledged."""
    return Closed(UNAUTHORIZED, "Unauthorized")


def operation_exists(operation: str) -> Closed:
    """Make the end of a connection that uses an id twice at a time."""
    # A close frame has room for 123 bytes of it (RFC 6455, 5.5).
    shown = operation.encode("ascii", "backslashreplace").decode()[:60]
    return Closed(OPERATION_EXISTS, f"Subscriber for {shown} already exists")


def too_many_inits() -> Closed:
    """Make the end of a connection that begins twice."""
    return Closed(TOO_MANY_INITS, "Too many initialisation requests")


def ack() -> str:
    """Write `connection_ack`."""
    return _write("connection_ack")


def pong() -> str:
    """Write `pong`."""
    return _write("pong")


def next_(operation: str, result: Mapping[str, Any]) -> str:
    """Write `next`: an execution's result."""
    return _write("next", id=operation, payload=result)


def error(operation: str, errors: Sequence[Mapping[str, Any]]) -> str:
    """Write `error`: why an operation was not executed; nothing follows for it."""
    return _write("error", id=operation, payload=errors)


def too_many_operations(operation: str) -> str:
    """Write the `error` for an operation beyond those that a connection may have under way."""
    message = f"A connection has at most {MAX_OPERATIONS} operations under way."
    return error(operation, error_body(message, Code.LIMIT_EXCEEDED)["errors"])


def complete(operation: str) -> str:
    """Write `complete`: nothing follows for an operation."""
    return _write("complete", id=operation)


def _write(kind: str, **parts: Any) -> str:
    return json.dumps({"type": kind, **parts}, separators=(",", ":"))


def _object(told: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = told.get(name)
    if value is not None and not isinstance(value, dict):
        raise Closed(BAD_MESSAGE, f"'{name}' must be an object or null")
    return value


def _text(told: Mapping[str, Any], name: str) -> str | None:
    value = told.get(name)
    if value is not None and not isinstance(value, str):
        raise Closed(BAD_MESSAGE, f"'{name}' must be a string or null")
    return value
