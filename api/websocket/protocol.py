"""The server's half of graphql-transport-ws: reads and writes its messages. Pure.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md, sub-protocol
`graphql-transport-ws`. Both holders of a connection's state use it: the embedded service's socket,
and the function behind API Gateway, where each message is an invocation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from api.errors import Code, error_body, request_failure
from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROTOCOL: Final = "graphql-transport-ws"
MAX_OPERATIONS: Final = 100  # in progress on one connection
INIT_SECONDS: Final = 10  # between the handshake and `connection_init`

# Close codes.
BAD_MESSAGE: Final = 4400
UNAUTHORIZED: Final = 4401  # an operation before `connection_ack`
FORBIDDEN: Final = 4403  # the key is invalid, or no longer valid
NO_SUBPROTOCOL: Final = 4406
INIT_TIMEOUT: Final = 4408
OPERATION_EXISTS: Final = 4409
TOO_MANY_INITS: Final = 4429
INTERNAL: Final = 4500


class Closed(LabellingError):
    """The socket must be closed, with this code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Init:
    """`connection_init`: begins the protocol; the payload may hold the client's key."""

    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ping:
    """`ping`: the answer is `pong`."""


@dataclass(frozen=True, slots=True)
class Pong:
    """`pong`: needs no answer."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`subscribe`: an operation of any type to execute."""

    id: str
    query: str | None = None
    variables: Mapping[str, Any] | None = None
    operation_name: str | None = None
    extensions: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """`complete`: the client stops an operation."""

    id: str


Message = Init | Ping | Pong | Subscribe | Complete


def read(text: str, max_bytes: int) -> Message:
    """Read a client's message. Raises Closed when it is malformed or too long."""
    if len(text.encode(errors="surrogatepass")) > max_bytes:
        raise Closed(BAD_MESSAGE, f"A message has at most {max_bytes} bytes")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise Closed(BAD_MESSAGE, "The message is not JSON") from exc
    match message:
        case {"type": "connection_init"}:
            return Init(_object(message, "payload") or {})
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
    raise Closed(BAD_MESSAGE, "The message is not one of the protocol")


def authorization_of(payload: Mapping[str, Any], headers: Mapping[str, str]) -> str | None:
    """Return the client's Authorization value, from `connection_init`'s payload or the handshake.

    The name is `authorization`, in any case. The payload takes precedence.
    """
    for source in (payload, headers):
        for name, value in source.items():
            if name.lower() == "authorization" and isinstance(value, str):
                return value
    return None


def unauthorized() -> Closed:
    """Return the close for an operation before `connection_ack`."""
    return Closed(UNAUTHORIZED, "Unauthorized")


def operation_exists(operation: str) -> Closed:
    """Return the close for an operation whose id is already in use."""
    # A reason has at most 123 bytes (RFC 6455, 5.5).
    shown = operation.encode("ascii", "backslashreplace").decode()[:60]
    return Closed(OPERATION_EXISTS, f"Subscriber for {shown} already exists")


def too_many_inits() -> Closed:
    """Return the close for a second `connection_init`."""
    return Closed(TOO_MANY_INITS, "Too many initialisation requests")


def ack() -> str:
    """Return `connection_ack`."""
    return _write("connection_ack")


def pong() -> str:
    """Return `pong`."""
    return _write("pong")


def next_(operation: str, result: Mapping[str, Any]) -> str:
    """Return `next`: a result of an operation."""
    return _write("next", id=operation, payload=result)


def error(operation: str, errors: Sequence[Mapping[str, Any]]) -> str:
    """Return `error`: why an operation was not executed. It is the operation's last message."""
    return _write("error", id=operation, payload=errors)


def error_for(operation: str, cause: Exception, request_id: str | None = None) -> str:
    """Return the `error` that reports an exception, as `api.errors.request_failure` shows it."""
    return error(operation, request_failure(cause, request_id)[2]["errors"])


def too_many_operations(operation: str) -> str:
    """Return the `error` for an operation beyond a connection's limit."""
    message = f"A connection has at most {MAX_OPERATIONS} operations in progress."
    return error(operation, error_body(message, Code.LIMIT_EXCEEDED)["errors"])


def complete(operation: str) -> str:
    """Return `complete`: the last message of an operation."""
    return _write("complete", id=operation)


def _write(kind: str, **parts: Any) -> str:
    return json.dumps({"type": kind, **parts}, separators=(",", ":"))


def _object(message: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = message.get(name)
    if value is not None and not isinstance(value, dict):
        raise Closed(BAD_MESSAGE, f"'{name}' must be an object or null")
    return value


def _text(message: Mapping[str, Any], name: str) -> str | None:
    value = message.get(name)
    if value is not None and not isinstance(value, str):
        raise Closed(BAD_MESSAGE, f"'{name}' must be a string or null")
    return value
