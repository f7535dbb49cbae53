"""GraphQL over a WebSocket: the protocol of `api.transport_ws` on a socket of our own."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from starlette.websockets import WebSocket, WebSocketDisconnect

from api import transport_ws
from api.context import Context
from api.errors import Refused
from api.limits import MAX_REQUEST
from api.operations import answers
from api.origins import may_use
from api.transport_ws import Closed
from core.domain.errors import Unavailable
from core.runtime.logging import log_context
from embedded.live_http import PATIENCE, access_ends

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from starlette.types import Receive, Scope, Send

    from api.documents import Documents
    from api.services import Caller, Services

log = logging.getLogger(__name__)

TRY_AGAIN_LATER: Final = 1013  # RFC 6455's registry: the server can't answer now


class GraphQLSocket:
    """Answers WebSocket handshakes at /graphql, and then the client.

    `origins` are those whose pages may connect, as for CORS. An operation other than a subscription
    may take `seconds`; a client may take `init_seconds` to say who it is, and `patience` seconds to
    take in a message.
    """

    def __init__(
        self,
        services: Services,
        documents: Documents,
        *,
        origins: Collection[str],
        seconds: float,
        init_seconds: float = transport_ws.INIT_SECONDS,
        patience: float = PATIENCE,
    ) -> None:
        self.services = services
        self.documents = documents
        self.seconds = seconds
        self.init_seconds = init_seconds
        self.patience = patience
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client until its end."""
        socket = WebSocket(scope, receive, send)
        with suppress(WebSocketDisconnect):
            origin = socket.headers.get("origin")
            if not may_use(origin, socket.headers.get("host", ""), self._origins):
                log.warning("foreign origin", extra={"origin": origin})
                await socket.close()  # before it is accepted: answered with 403
                return
            if transport_ws.PROTOCOL not in scope["subprotocols"]:
                await socket.accept()
                await socket.close(transport_ws.NO_SUBPROTOCOL, "Subprotocol not acceptable")
                return
            await socket.accept(transport_ws.PROTOCOL)
            await _Connection(self, socket).serve()


class _TooSlow(Exception):
    """The client does not take in what it is sent."""


class _Connection:
    def __init__(self, shared: GraphQLSocket, socket: WebSocket) -> None:
        self._shared = shared
        self._socket = socket
        self._operations: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Answer messages until the client goes or has to."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._converse(tasks)
        except* WebSocketDisconnect:
            pass
        except* _TooSlow:
            log.warning("slow client dropped")
        except* Closed as group:
            closed = next(each for each in _flat(group) if isinstance(each, Closed))
            log.info("socket closed", extra={"code": closed.code, "reason": closed.reason})
            with suppress(TimeoutError):
                async with asyncio.timeout(self._shared.patience):
                    await self._socket.close(closed.code, closed.reason)

    async def _converse(self, tasks: asyncio.TaskGroup) -> None:
        try:
            async with asyncio.timeout(self._shared.init_seconds):
                authorization, caller = await self._begin()
        except TimeoutError:
            raise Closed(transport_ws.INIT_TIMEOUT, "Connection initialisation timeout") from None
        tasks.create_task(self._end_with_access(authorization, caller))
        while True:
            match await self._receive():
                case transport_ws.Init():
                    raise transport_ws.too_many_inits()
                case transport_ws.Ping():
                    await self._send(transport_ws.pong())
                case transport_ws.Subscribe() as asked:
                    await self._start(tasks, asked, caller)
                case transport_ws.Complete(operation):
                    if task := self._operations.pop(operation, None):
                        task.cancel()

    async def _begin(self) -> tuple[str | None, Caller]:
        """Wait for `connection_init` and acknowledge it; return what it says, and who that is."""
        while True:
            match await self._receive():
                case transport_ws.Init(payload):
                    break
                case transport_ws.Ping():
                    await self._send(transport_ws.pong())
                case transport_ws.Subscribe():
                    raise transport_ws.unauthorized()
        authorization = transport_ws.authorization_of(payload, self._socket.headers)
        try:
            caller = await self._shared.services.authenticate(authorization)
        except Refused as exc:
            raise Closed(transport_ws.FORBIDDEN, "Forbidden: a valid API key is needed") from exc
        except Unavailable as exc:
            raise Closed(TRY_AGAIN_LATER, "The store can't answer now") from exc
        await self._send(transport_ws.ack())
        return authorization, caller

    async def _end_with_access(self, authorization: str | None, caller: Caller) -> None:
        await access_ends(self._shared.services, authorization, caller)
        raise Closed(transport_ws.FORBIDDEN, "Forbidden: the key has expired or was revoked")

    async def _start(
        self, tasks: asyncio.TaskGroup, asked: transport_ws.Subscribe, caller: Caller
    ) -> None:
        if asked.id in self._operations:
            raise transport_ws.operation_exists(asked.id)
        if len(self._operations) >= transport_ws.MOST_OPERATIONS:
            await self._send(transport_ws.too_many_operations(asked.id))
            return
        self._operations[asked.id] = tasks.create_task(self._answer(asked, caller))

    async def _answer(self, asked: transport_ws.Subscribe, caller: Caller) -> None:
        shared = self._shared
        request_id = uuid4().hex
        context = Context(shared.services, caller, shared.documents, request_id)
        with log_context(request_id=request_id):
            async with aclosing(answers(context, asked, shared.seconds)) as messages:
                async for message in messages:
                    await self._send(message)
        if self._operations.get(asked.id) is asyncio.current_task():
            del self._operations[asked.id]

    async def _receive(self) -> transport_ws.Message:
        message: Mapping[str, Any] = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        if message.get("text") is None:
            raise Closed(transport_ws.BAD_MESSAGE, "Messages are text")
        return transport_ws.read(message["text"], MAX_REQUEST)

    async def _send(self, message: str) -> None:
        try:
            async with asyncio.timeout(self._shared.patience):
                await self._socket.send_text(message)
        except TimeoutError:
            raise _TooSlow from None


def _flat(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    """Return the exceptions of a group and of the groups in it."""
    return [
        each
        for one in group.exceptions
        for each in (_flat(one) if isinstance(one, BaseExceptionGroup) else [one])
    ]
