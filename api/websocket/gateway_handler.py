"""WebSocket clients on AWS Lambda: each message is an invocation, and so is each change.

The protocol is that of `api.websocket.protocol`. What embedded lives with its socket is on
record in the table of connections; what is told goes out by API Gateway's management API
(docs/decisions/0018).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from api.auth.caller import Caller
from api.auth.origins import may_use
from api.errors import Code, RequestError, Unauthenticated, refusal
from api.graphql.context import Context
from api.threads import run_in_thread
from api.websocket import protocol
from api.websocket.execution import answers
from api.websocket.gateway_client import MAX_MESSAGE, GatewayClient, SocketGone
from core.domain.clock import from_epoch_ms
from core.domain.errors import LabellingError, Unavailable
from core.events.subscription_event import Changed, changes_in
from core.events.topics import blob_topic
from core.repositories.ports.connections import (
    MAX_SUBSCRIPTIONS,
    Connection,
    Subscription,
    slot_of,
)
from core.runtime.logging import log_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
    from datetime import datetime

    from api.graphql.documents import Documents
    from api.services.dependencies import Services
    from core.domain.blob import Blob
    from core.repositories.ports.connections import ConnectionRepository

log = logging.getLogger(__name__)

# API Gateway closes a connection after two hours; some minutes are for what is then under way.
LIFE: Final = timedelta(hours=2, minutes=5)
# How long whoever tells a subscription its last may take before another does: the function's time.
TO_END: Final = timedelta(seconds=30)
CONCURRENCY: Final = 8  # subscriptions told at the same time
OK: Final[Mapping[str, Any]] = {"statusCode": 200}


class GatewayHandler:
    """Answers what WebSocket clients tell, and tells them what they listen to.

    `origins` are those whose pages may connect, as for CORS; an operation may take `seconds`.
    """

    def __init__(
        self,
        services: Services,
        documents: Documents,
        connections: ConnectionRepository,
        gateway: GatewayClient,
        *,
        origins: Collection[str],
        seconds: float,
    ) -> None:
        self._services = services
        self._documents = documents
        self._connections = connections
        self._gateway = gateway
        self._origins = origins
        self._seconds = seconds

    def handle(self, event: Mapping[str, Any], request_id: str) -> Mapping[str, Any]:
        """Take in a connection, a message, or an end.

        Whatever is wrong with a message, the client is told so or its socket closed: for a failure
        of the function API Gateway sends a message of its own, which no GraphQL client understands.
        """
        about = event["requestContext"]
        connection_id: str = about["connectionId"]
        with log_context(connection_id=connection_id, request_id=request_id):
            match about["eventType"]:
                case "CONNECT":
                    connected: Mapping[str, Any] = _run(self._connect(about, _headers(event)))
                    return connected
                case "DISCONNECT":
                    self._connections.close(connection_id)
                case _:
                    _run(self._hear(about, event.get("body") or "", request_id))
        return OK

    def publish(self, event: Mapping[str, Any], request_id: str) -> None:
        """Tell of the changes in a notice. Raises Unavailable when some were not told.

        Told again, clients see a state twice, but nothing behind the end of a subscription.
        """
        with log_context(request_id=request_id):
            for changed in changes_in(event):
                _run(self._follow(changed, request_id))

    async def _connect(
        self, about: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        offered = headers.get("sec-websocket-protocol", "")
        if protocol.PROTOCOL not in (each.strip() for each in offered.split(",")):
            return {"statusCode": 400}
        origin = headers.get("origin")
        if not may_use(origin, about["domainName"], self._origins):
            log.warning("foreign origin", extra={"origin": origin})
            return {"statusCode": 403}
        authorization = protocol.authorization_of({}, headers)
        if authorization is not None:
            try:
                caller = await self._services.authenticate(authorization)
            except RequestError:
                return {"statusCode": 401}
            # Kept in place of the key, which the first message then need not send once more.
            self._connections.save(_connection(about, caller))
        return {**OK, "headers": {"Sec-WebSocket-Protocol": protocol.PROTOCOL}}

    async def _hear(self, about: Mapping[str, Any], text: str, request_id: str) -> None:
        connection_id = about["connectionId"]
        try:
            match protocol.read(text, MAX_MESSAGE):
                case protocol.Init(payload):
                    await self._begin(about, payload)
                case protocol.Ping():
                    self._gateway.send(connection_id, protocol.pong())
                case protocol.Subscribe() as asked:
                    await self._start(connection_id, asked, request_id)
                case protocol.Complete(operation):
                    self._stop(connection_id, operation)
        except protocol.Closed as closed:
            log.info("socket closed", extra={"code": closed.code, "reason": closed.reason})
            self._hang_up(connection_id)
        except SocketGone:
            self._connections.close(connection_id)
        except Exception:
            self._hang_up(connection_id)
            raise

    def _hang_up(self, connection_id: str) -> None:
        self._gateway.close(connection_id)
        self._connections.close(connection_id)

    async def _begin(self, about: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
        connection_id = about["connectionId"]
        connection = self._connections.find(connection_id, self._services.clock())
        authorization = protocol.authorization_of(payload, {})
        if connection is None or (authorization is not None and not connection.acknowledged):
            try:
                caller = await self._services.authenticate(authorization)
            except RequestError:
                # Closed without a code, it would only come back. So each operation is told why.
                self._gateway.send(connection_id, protocol.ack())
                return
            connection = _connection(about, caller)
        if not self._connections.save(replace(connection, acknowledged=True)):
            raise protocol.too_many_inits()
        self._gateway.send(connection_id, protocol.ack())

    async def _start(self, connection_id: str, asked: protocol.Subscribe, request_id: str) -> None:
        now = self._services.clock()
        connection = self._connections.find(connection_id, now)
        if connection is None or not connection.acknowledged or _is_over(connection, now):
            self._gateway.send(connection_id, _refused(asked.id, Unauthenticated()))
            return
        if connection.holds(asked.id):
            raise protocol.operation_exists(asked.id)
        try:
            text = self._documents.text(asked.query, asked.extensions)
        except RequestError as refused:
            self._gateway.send(connection_id, _refused(asked.id, refused))
            return
        # As it is kept: whoever sends the hash alone need not be understood by the next container.
        asked = replace(asked, query=text, extensions=None)
        subscription = Subscription(
            connection_id=connection_id,
            operation=asked.id,
            topic="",
            owner=connection.owner,
            scopes=connection.scopes,
            ends_at=connection.ends_at,
            expires_at=connection.expires_at,
            query=text,
            variables=asked.variables or {},
            operation_name=asked.operation_name,
        )
        await self._tell(_Look(subscription, keep=self._keep), asked, request_id)

    def _keep(self, subscription: Subscription) -> None:
        """Have a subscription told from now on. Raises Refused, Closed or SocketGone."""
        if self._connections.subscribe(subscription):
            return
        found = self._connections.find(subscription.connection_id, self._services.clock())
        if found is None:
            raise SocketGone(subscription.connection_id)
        if found.holds(subscription.operation):
            raise protocol.operation_exists(subscription.operation)
        raise RequestError(
            Code.LIMIT_EXCEEDED, f"A connection has at most {MAX_SUBSCRIPTIONS} subscriptions."
        )

    def _stop(self, connection_id: str, operation: str) -> None:
        found = self._connections.find(connection_id, self._services.clock())
        topic = found.slots.get(slot_of(operation)) if found else None
        if topic:
            self._connections.unsubscribe(connection_id, operation, topic)

    async def _follow(self, changed: Changed, request_id: str) -> None:
        now = self._services.clock()
        found = await run_in_thread(self._services.blobs.find, changed.owner, [changed.blob_id])
        blob = found.get(changed.blob_id)
        listeners = [
            listener
            for topic in sorted(changed.topics)
            for listener in self._connections.listeners(topic, now)
            if listener.owner == changed.owner
        ]
        at_once = asyncio.Semaphore(CONCURRENCY)

        async def tell(listener: Subscription) -> None:
            async with at_once:
                try:
                    await self._tell_change(listener, blob, request_id)
                except SocketGone:
                    self._connections.close(listener.connection_id)

        ends = await asyncio.gather(*map(tell, listeners), return_exceptions=True)
        troubles = [each for each in ends if isinstance(each, BaseException)]
        for trouble in troubles:
            log.error("a subscription is not told", exc_info=trouble)
        if troubles:
            raise Unavailable(f"{len(troubles)} of {len(ends)} subscriptions were not told")

    async def _tell_change(
        self, listener: Subscription, blob: Blob | None, request_id: str
    ) -> None:
        follows_one = listener.topic.startswith(blob_topic(""))
        if _is_over(listener, self._services.clock()):
            await self._end(listener, [_refused(listener.operation, Unauthenticated())])
        elif blob is None:
            if follows_one:  # it was deleted
                await self._end(listener, [protocol.complete(listener.operation)])
        else:
            asked = protocol.Subscribe(
                listener.operation, listener.query, listener.variables, listener.operation_name
            )
            # Who follows one blob is told its state at once by the operation itself.
            news = () if follows_one else (blob,)
            await self._tell(_Look(listener, news=news), asked, request_id)

    async def _tell(self, look: _Look, asked: protocol.Subscribe, request_id: str) -> None:
        """Execute an operation and send what comes of it. Raises SocketGone or Unavailable."""
        subscription = look.subscription
        caller = Caller(subscription.owner, subscription.scopes, subscription.ends_at)
        services = replace(self._services, pubsub=look)
        context = Context(services, caller, self._documents, request_id)
        async with aclosing(answers(context, asked, self._seconds)) as told:
            messages = [message async for message in told]
        if look.trouble:
            raise look.trouble
        long = max(len(message.encode()) for message in messages) > MAX_MESSAGE
        if long:
            most = f"An answer here has at most {MAX_MESSAGE} bytes: select less."
            messages = [_refused(asked.id, RequestError(Code.LIMIT_EXCEEDED, most))]
        if look.listened and not long:
            messages.pop()  # `complete`: it goes on
        elif look.subscription.topic:
            await self._end(look.subscription, messages)
            return
        for message in messages:
            await run_in_thread(self._gateway.send, subscription.connection_id, message)

    async def _end(self, subscription: Subscription, messages: list[str]) -> None:
        """Tell a subscription its last, unless somebody else does, and forget it."""
        now = self._services.clock()
        if not self._connections.claim_final_message(subscription, now, now + TO_END):
            return
        for message in messages:
            await run_in_thread(self._gateway.send, subscription.connection_id, message)
        self._connections.unsubscribe(
            subscription.connection_id, subscription.operation, subscription.topic
        )


@dataclass
class _Look:
    """What an operation may listen to in one invocation: `news`, and no more.

    When it does, `keep` takes down for what topic; `listened` says whether it asked for more than
    there was. `trouble` is what went wrong with the connection rather than the operation.
    """

    subscription: Subscription
    keep: Callable[[Subscription], None] | None = None
    news: Collection[Blob] = ()
    listened: bool = field(default=False, init=False)
    trouble: LabellingError | None = field(default=None, init=False)

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[AsyncIterator[Blob | None]]:
        """Record the topic and return an iterator over it; see `api.services.pubsub.PubSub`."""
        if self.keep:
            kept = replace(self.subscription, topic=topic)
            try:
                self.keep(kept)
            except (protocol.Closed, SocketGone) as trouble:
                self.trouble = trouble
                raise
            self.subscription = kept
        yield self._changes()

    async def _changes(self) -> AsyncIterator[Blob | None]:
        for blob in self.news:
            yield blob
        self.listened = True


def _connection(about: Mapping[str, Any], caller: Caller) -> Connection:
    forgotten_at = from_epoch_ms(about["connectedAt"]) + LIFE
    return Connection(
        about["connectionId"], caller.owner, caller.scopes, caller.expires_at, forgotten_at
    )


def _is_over(holder: Connection | Subscription, now: datetime) -> bool:
    return holder.ends_at is not None and holder.ends_at <= now


def _refused(operation: str, error: RequestError) -> str:
    return protocol.error(operation, refusal(error)[2]["errors"])


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.new_event_loop()  # the thread's own is Mangum's
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
