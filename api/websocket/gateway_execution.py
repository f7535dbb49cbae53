"""Operations of WebSocket clients on AWS, and the publication of changes to their subscriptions.

A subscription is executed again for each event, in one invocation; between events it is a stored
row (docs/decisions/0018).
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from api.auth.caller import Caller
from api.errors import Code, RequestError, Unauthenticated
from api.graphql.context import Context
from api.threads import run_in_thread
from api.websocket import protocol
from api.websocket.execution import messages_of
from api.websocket.gateway_client import MAX_MESSAGE, GatewayClient, SocketGone
from core.domain.errors import LabellingError, Unavailable
from core.repositories.ports.connections import MAX_TOPICS, Connection, Subscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterable
    from datetime import datetime

    from api.graphql.execution.documents import Documents
    from api.services.dependencies import Services
    from core.domain.blob_event import BlobEvent
    from core.events.subscription_event import Changed
    from core.repositories.ports.connections import ConnectionRepository

log = logging.getLogger(__name__)

# The lease of a subscription's final messages: the timeout of the function.
FINAL_LEASE: Final = timedelta(seconds=30)
# A subscription is stored with each of its topics, in one transaction of at most 4 MB.
MAX_STORED: Final = 3_000_000
CONCURRENCY: Final = 8  # subscriptions that receive a change at the same time


class GatewayExecutor:
    """Executes operations and sends their messages. An operation may take `seconds`."""

    def __init__(
        self,
        services: Services,
        documents: Documents,
        connections: ConnectionRepository,
        gateway: GatewayClient,
        *,
        seconds: float,
    ) -> None:
        self._services = services
        self._documents = documents
        self._connections = connections
        self._gateway = gateway
        self._seconds = seconds

    async def start(
        self, connection: Connection, request: protocol.Subscribe, request_id: str
    ) -> None:
        """Execute a client's operation; if it is a subscription, store it until it ends.

        Raises Closed, SocketGone or Unavailable.
        """
        try:
            text = self._documents.text(request.query, request.extensions)
        except RequestError as error:
            self._gateway.send(connection.id, protocol.error_for(request.id, error))
            return
        # Stored with its text: another container may not know the document's hash.
        request = replace(request, query=text, extensions=None)
        subscription = Subscription(
            connection_id=connection.id,
            operation=request.id,
            topics=(),
            owner=connection.owner,
            scopes=connection.scopes,
            ends_at=connection.ends_at,
            expires_at=connection.expires_at,
            query=text,
            variables=request.variables or {},
            operation_name=request.operation_name,
        )
        pubsub = _InvocationPubSub(subscription, store=self._subscribe)
        await self._execute(pubsub, request, request_id)

    def _subscribe(self, subscription: Subscription) -> None:
        """Store a subscription. Raises RequestError, Closed or SocketGone."""
        size = len(json.dumps([subscription.query, dict(subscription.variables)]))
        if size * len(subscription.topics) > MAX_STORED:
            raise RequestError(
                Code.LIMIT_EXCEEDED,
                f"A document and its variables have at most {MAX_STORED} bytes for all blobs of a "
                "subscription together: name fewer blobIds, or write a shorter document.",
            )
        if self._connections.subscribe(subscription):
            return
        found = self._connections.find(subscription.connection_id, self._services.clock())
        if found is None:
            raise SocketGone(subscription.connection_id)
        if found.holds(subscription.operation):
            raise protocol.operation_exists(subscription.operation)
        raise RequestError(
            Code.LIMIT_EXCEEDED,
            f"The subscriptions of a connection have at most {MAX_TOPICS} topics in total: one for "
            "each of their blobIds or else of their kinds. Complete one, or open another "
            "connection.",
        )

    async def publish(self, changed: Changed, request_id: str) -> None:
        """Send an event, with the blob's current state, to the subscriptions of its topics.

        Raises Unavailable when a subscription did not receive it.
        """
        now, owner, blob_id = self._services.clock(), changed.event.owner, changed.event.blob_id
        found = await run_in_thread(self._services.blobs.find, owner, [blob_id])
        event = changed.with_blob(found.get(blob_id))
        subscriptions = [
            subscription
            for topic in sorted(changed.topics)
            for subscription in self._connections.listeners(topic, now)
            if subscription.owner == owner
        ]
        semaphore = asyncio.Semaphore(CONCURRENCY)

        async def send(subscription: Subscription) -> None:
            async with semaphore:
                try:
                    await self._publish_to(subscription, event, request_id)
                except SocketGone:
                    self._connections.close(subscription.connection_id)

        results = await asyncio.gather(*map(send, subscriptions), return_exceptions=True)
        errors = [each for each in results if isinstance(each, BaseException)]
        for error in errors:
            log.error("change not published to a subscription", exc_info=error)
        if errors:
            raise Unavailable(
                f"{len(errors)} of {len(results)} subscriptions did not receive the change."
            )

    async def _publish_to(
        self, subscription: Subscription, event: BlobEvent, request_id: str
    ) -> None:
        operation = subscription.operation
        if has_ended(subscription, self._services.clock()):
            if self._claim(subscription):
                error = protocol.error_for(operation, Unauthenticated())
                await self._send(subscription, [error])
                self._connections.unsubscribe(subscription.connection_id, operation)
            return
        request = protocol.Subscribe(
            operation,
            subscription.query,
            subscription.variables,
            subscription.operation_name,
        )
        await self._execute(_InvocationPubSub(subscription, event=event), request, request_id)

    async def _execute(
        self, pubsub: _InvocationPubSub, request: protocol.Subscribe, request_id: str
    ) -> None:
        """Execute an operation and send its messages. Raises Closed, SocketGone or Unavailable."""
        subscription = pubsub.subscription
        caller = Caller(subscription.owner, subscription.scopes, subscription.ends_at)
        services = replace(self._services, pubsub=pubsub)
        context = Context(services, caller, self._documents, request_id)
        async with aclosing(messages_of(context, request, self._seconds)) as stream:
            messages = [message async for message in stream]
        if pubsub.error:
            raise pubsub.error
        goes_on = pubsub.goes_on
        if max(len(message.encode()) for message in messages) > MAX_MESSAGE:
            error = RequestError(
                Code.LIMIT_EXCEEDED, f"An answer here has at most {MAX_MESSAGE} bytes: select less."
            )
            messages, goes_on = [protocol.error_for(request.id, error)], False
        subscription = pubsub.subscription
        final = bool(pubsub.ended) or not goes_on
        if pubsub.resumed and final and not self._claim(subscription):
            return
        if goes_on:
            messages.pop()  # `complete`
        await self._send(subscription, messages)
        if pubsub.ended and goes_on:
            await self._end_topics(subscription, pubsub.ended)
        elif subscription.topics and not goes_on:
            self._connections.unsubscribe(subscription.connection_id, subscription.operation)

    async def _end_topics(self, subscription: Subscription, topics: Collection[str]) -> None:
        """Delete a subscription's topics that have ended; complete it if no others are left."""
        connection_id, operation = subscription.connection_id, subscription.operation
        if not self._connections.end_topics(connection_id, operation, topics):
            await self._send(subscription, [protocol.complete(operation)])
            self._connections.unsubscribe(connection_id, operation)

    def _claim(self, subscription: Subscription) -> bool:
        """Claim the final message of a topic, so that no other invocation sends it too."""
        now = self._services.clock()
        return self._connections.claim_final_message(subscription, now, now + FINAL_LEASE)

    async def _send(self, subscription: Subscription, messages: Iterable[str]) -> None:
        for message in messages:
            await run_in_thread(self._gateway.send, subscription.connection_id, message)


@dataclass
class _InvocationPubSub:
    """Delivers at most one event to a subscription, in one invocation; see `PubSub`.

    When the operation begins to listen, `store` stores the subscription with its topics; without
    it, the subscription is resumed for `event`. `ended` are topics that have ended. `exhausted` is
    set when the operation waits for more events. `error` is an error of the connection, which the
    operation must not report as its own.
    """

    subscription: Subscription
    store: Callable[[Subscription], None] | None = None
    event: BlobEvent | None = None
    ended: set[str] = field(default_factory=set, init=False)
    exhausted: bool = field(default=False, init=False)
    error: LabellingError | None = field(default=None, init=False)

    @property
    def resumed(self) -> bool:
        """Whether the subscription began in an earlier invocation."""
        return self.store is None

    @property
    def goes_on(self) -> bool:
        """Whether the operation waits for more events, or completed because its topics ended."""
        return self.exhausted or (
            bool(self.ended) and self.ended.issuperset(self.subscription.topics)
        )

    @asynccontextmanager
    async def listen(self, topics: Collection[str]) -> AsyncIterator[_InvocationPubSub]:
        """Store the subscription; return the stream of `event`."""
        if self.store:
            subscription = replace(self.subscription, topics=tuple(topics))
            try:
                self.store(subscription)
            except (protocol.Closed, SocketGone) as error:
                self.error = error
                raise
            self.subscription = subscription
        yield self

    def end(self, topic: str) -> None:
        """Receive no more events of a topic."""
        self.ended.add(topic)

    async def __aiter__(self) -> AsyncIterator[BlobEvent]:
        if self.event:
            yield self.event
        self.exhausted = True


def has_ended(holder: Connection | Subscription, now: datetime) -> bool:
    """Tell whether the access of a connection or subscription has expired."""
    return holder.ends_at is not None and holder.ends_at <= now
