"""Operations of WebSocket clients on AWS, and the publication of changes to their subscriptions.

A subscription is executed again for each event, in one invocation; between events it is a stored
row (docs/decisions/0018).
"""

from __future__ import annotations

import asyncio
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
from core.events.topics import blob_topic
from core.repositories.ports.connections import MAX_SUBSCRIPTIONS, Connection, Subscription

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection
    from datetime import datetime

    from api.graphql.documents import Documents
    from api.services.dependencies import Services
    from core.domain.blob import Blob
    from core.events.subscription_event import Changed
    from core.repositories.ports.connections import ConnectionRepository

log = logging.getLogger(__name__)

# The lease of a subscription's final messages: the timeout of the function.
FINAL_LEASE: Final = timedelta(seconds=30)
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
            topic="",
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

    async def publish(self, changed: Changed, request_id: str) -> None:
        """Send a blob's current state to the subscriptions of its topics.

        Raises Unavailable when a subscription did not receive it.
        """
        now = self._services.clock()
        found = await run_in_thread(self._services.blobs.find, changed.owner, [changed.blob_id])
        blob = found.get(changed.blob_id)
        subscriptions = [
            subscription
            for topic in sorted(changed.topics)
            for subscription in self._connections.listeners(topic, now)
            if subscription.owner == changed.owner
        ]
        semaphore = asyncio.Semaphore(CONCURRENCY)

        async def send(subscription: Subscription) -> None:
            async with semaphore:
                try:
                    await self._publish_to(subscription, blob, request_id)
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
        self, subscription: Subscription, blob: Blob | None, request_id: str
    ) -> None:
        operation = subscription.operation
        to_one_blob = subscription.topic.startswith(blob_topic(""))
        if has_ended(subscription, self._services.clock()):
            await self._end(subscription, [protocol.error_for(operation, Unauthenticated())])
        elif blob is None:
            if to_one_blob:  # it was deleted
                await self._end(subscription, [protocol.complete(operation)])
        else:
            request = protocol.Subscribe(
                operation,
                subscription.query,
                subscription.variables,
                subscription.operation_name,
            )
            # A subscription to one blob begins with the blob's current state.
            changes = () if to_one_blob else (blob,)
            pubsub = _InvocationPubSub(subscription, changes=changes)
            await self._execute(pubsub, request, request_id)

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
        too_long = max(len(message.encode()) for message in messages) > MAX_MESSAGE
        if too_long:
            error = RequestError(
                Code.LIMIT_EXCEEDED, f"An answer here has at most {MAX_MESSAGE} bytes: select less."
            )
            messages = [protocol.error_for(request.id, error)]
        if pubsub.exhausted and not too_long:
            messages.pop()  # `complete`: the subscription goes on
        elif pubsub.subscription.topic:
            await self._end(pubsub.subscription, messages)
            return
        for message in messages:
            await run_in_thread(self._gateway.send, subscription.connection_id, message)

    async def _end(self, subscription: Subscription, messages: list[str]) -> None:
        """Send a subscription's final messages and delete it, unless another invocation does."""
        now = self._services.clock()
        if not self._connections.claim_final_message(subscription, now, now + FINAL_LEASE):
            return
        for message in messages:
            await run_in_thread(self._gateway.send, subscription.connection_id, message)
        self._connections.unsubscribe(
            subscription.connection_id, subscription.operation, subscription.topic
        )


@dataclass
class _InvocationPubSub:
    """Delivers only `changes` to a subscription, in one invocation; see `PubSub`.

    When the operation listens, `store` stores the subscription with its topic. `exhausted` is set
    when the operation waits for more changes. `error` is an error of the connection, which the
    operation must not report as its own.
    """

    subscription: Subscription
    store: Callable[[Subscription], None] | None = None
    changes: Collection[Blob] = ()
    exhausted: bool = field(default=False, init=False)
    error: LabellingError | None = field(default=None, init=False)

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[AsyncIterator[Blob | None]]:
        """Return an iterator over `changes`."""
        if self.store:
            subscription = replace(self.subscription, topic=topic)
            try:
                self.store(subscription)
            except (protocol.Closed, SocketGone) as error:
                self.error = error
                raise
            self.subscription = subscription
        yield self._changes()

    async def _changes(self) -> AsyncIterator[Blob | None]:
        for blob in self.changes:
            yield blob
        self.exhausted = True


def has_ended(holder: Connection | Subscription, now: datetime) -> bool:
    """Tell whether the access of a connection or subscription has expired."""
    return holder.ends_at is not None and holder.ends_at <= now
