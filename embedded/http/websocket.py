"""GraphQL over WebSocket: the protocol of `api.websocket.protocol` on our own server."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from graphql import OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.auth.origins import may_use
from api.auth.rate_limits import client_address
from api.errors import RequestError, TooManyRequests
from api.graphql.context import Context
from api.limits import MAX_REQUEST
from api.websocket import protocol
from api.websocket.execution import messages_of
from api.websocket.protocol import Closed
from core.domain.errors import Unavailable
from core.runtime.logging import log_context
from embedded.http.sse import SEND_TIMEOUT, wait_for_access_end

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from starlette.types import Receive, Scope, Send

    from api.auth.caller import Caller
    from api.graphql.execution.documents import Documents
    from api.services.dependencies import Services
    from embedded.limits.concurrency import Concurrency, ConcurrencyLimit

log = logging.getLogger(__name__)

TRY_AGAIN_LATER: Final = 1013  # RFC 6455's registry: the server can't answer now


class GraphQLSocket:
    """Answers WebSocket handshakes at /graphql, and then the client's messages.

    `origins` are those whose pages may connect, as for CORS. An operation other than a subscription
    may take `seconds`. A client has `init_seconds` to authenticate and `send_timeout` seconds to
    read a message.
    """

    def __init__(
        self,
        services: Services,
        documents: Documents,
        concurrency: Concurrency,
        *,
        origins: Collection[str],
        seconds: float,
        init_seconds: float = protocol.INIT_SECONDS,
        send_timeout: float = SEND_TIMEOUT,
    ) -> None:
        self.services = services
        self.documents = documents
        self.concurrency = concurrency
        self.seconds = seconds
        self.init_seconds = init_seconds
        self.send_timeout = send_timeout
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one client until it disconnects."""
        socket = WebSocket(scope, receive, send)
        with suppress(WebSocketDisconnect):
            origin = socket.headers.get("origin")
            if not may_use(origin, socket.headers.get("host", ""), self._origins):
                await socket.close()  # before it is accepted: the response is 403
                return
            if protocol.PROTOCOL not in scope["subprotocols"]:
                await socket.accept()
                await socket.close(protocol.NO_SUBPROTOCOL, "Subprotocol not acceptable")
                return
            await socket.accept(protocol.PROTOCOL)
            await _Connection(self, socket).serve()


class _SlowClient(Exception):
    """The client did not read a message in time."""


class _Connection:
    def __init__(self, shared: GraphQLSocket, socket: WebSocket) -> None:
        self._shared = shared
        self._socket = socket
        self._operations: dict[str, asyncio.Task[None]] = {}

    async def serve(self) -> None:
        """Answer messages until the client disconnects or a protocol error closes the socket."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._answer_messages(tasks)
        except* WebSocketDisconnect:
            pass
        except* _SlowClient:
            log.warning("slow client disconnected")
        except* Closed as group:
            closed = next(each for each in _leaves(group) if isinstance(each, Closed))
            log.info("socket closed", extra={"code": closed.code, "reason": closed.reason})
            with suppress(TimeoutError):
                async with asyncio.timeout(self._shared.send_timeout):
                    await self._socket.close(closed.code, closed.reason)

    async def _answer_messages(self, tasks: asyncio.TaskGroup) -> None:
        try:
            async with asyncio.timeout(self._shared.init_seconds):
                authorization, caller = await self._initialise()
        except TimeoutError:
            raise Closed(protocol.INIT_TIMEOUT, "Connection initialisation timeout") from None
        tasks.create_task(self._end_with_access(authorization, caller))
        while True:
            match await self._receive():
                case protocol.Init():
                    raise protocol.too_many_inits()
                case protocol.Ping():
                    await self._send(protocol.pong())
                case protocol.Subscribe() as request:
                    await self._start(tasks, request, authorization, caller)
                case protocol.Complete(operation):
                    if task := self._operations.pop(operation, None):
                        task.cancel()

    async def _initialise(self) -> tuple[str | None, Caller]:
        """Wait for `connection_init` and acknowledge it; return its authorization and caller."""
        while True:
            match await self._receive():
                case protocol.Init(payload):
                    break
                case protocol.Ping():
                    await self._send(protocol.pong())
                case protocol.Subscribe():
                    raise protocol.unauthorized()
        authorization = protocol.authorization_of(payload, self._socket.headers)
        try:
            caller = await self._shared.services.authenticate(authorization)
        except TooManyRequests as exc:
            raise Closed(TRY_AGAIN_LATER, str(exc)) from exc
        except RequestError as exc:
            raise Closed(protocol.FORBIDDEN, "Forbidden: send a valid API key") from exc
        except Unavailable as exc:
            raise Closed(TRY_AGAIN_LATER, "The store is unavailable: try again") from exc
        await self._send(protocol.ack())
        return authorization, caller

    async def _end_with_access(self, authorization: str | None, caller: Caller) -> None:
        await wait_for_access_end(self._shared.services, authorization, caller)
        raise Closed(protocol.FORBIDDEN, "Forbidden: the key has expired or was revoked")

    async def _start(
        self,
        tasks: asyncio.TaskGroup,
        request: protocol.Subscribe,
        authorization: str | None,
        caller: Caller,
    ) -> None:
        if request.id in self._operations:
            raise protocol.operation_exists(request.id)
        if len(self._operations) >= protocol.MAX_OPERATIONS:
            await self._send(protocol.too_many_operations(request.id))
            return
        try:
            self._shared.services.admit(authorization)
            slot = self._limit_of(request).begin(client_address.get(), caller.owner)
        except RequestError as refused:
            await self._send(protocol.error_for(request.id, refused))
            return
        task = tasks.create_task(self._execute(request, caller))
        task.add_done_callback(lambda _: slot.end())  # a task that is cancelled early never runs
        self._operations[request.id] = task

    def _limit_of(self, request: protocol.Subscribe) -> ConcurrencyLimit:
        documents, concurrency = self._shared.documents, self._shared.concurrency
        text = documents.text(request.query, request.extensions)
        if documents.kind(text, request.operation_name) is OperationType.SUBSCRIPTION:
            return concurrency.subscriptions
        return concurrency.requests

    async def _execute(self, request: protocol.Subscribe, caller: Caller) -> None:
        shared = self._shared
        request_id = uuid4().hex
        context = Context(shared.services, caller, shared.documents, request_id)
        with log_context(request_id=request_id):
            async with aclosing(messages_of(context, request, shared.seconds)) as messages:
                async for message in messages:
                    await self._send(message)
        if self._operations.get(request.id) is asyncio.current_task():
            del self._operations[request.id]

    async def _receive(self) -> protocol.Message:
        message: Mapping[str, Any] = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        if message.get("text") is None:
            raise Closed(protocol.BAD_MESSAGE, "Messages are text")
        return protocol.read(message["text"], MAX_REQUEST)

    async def _send(self, message: str) -> None:
        try:
            async with asyncio.timeout(self._shared.send_timeout):
                await self._socket.send_text(message)
        except TimeoutError:
            raise _SlowClient from None


def _leaves(group: BaseExceptionGroup[Any]) -> list[BaseException]:
    """Return the exceptions of a group and of the groups in it."""
    return [
        each
        for one in group.exceptions
        for each in (_leaves(one) if isinstance(one, BaseExceptionGroup) else [one])
    ]
