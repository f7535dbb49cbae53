"""WebSocket clients on AWS Lambda: each message is an invocation, and so is each change.

The protocol is graphql-transport-ws as everywhere (`api.transport_ws`). What embedded lives with its
socket is on record in the table of connections; what is told goes out by API Gateway's management
API (docs/decisions/0018).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from strawberry.http import process_result

from api import transport_ws
from api.context import Context
from api.errors import Code, Refused, Unauthenticated, refusal
from api.gateway_sockets import MAX_MESSAGE, GatewaySockets, SocketGone, management_url
from api.schema import schema
from api.services import Caller, off_loop
from catalogue import on_lambda
from catalogue.clock import from_epoch_ms
from catalogue.errors import Unavailable
from catalogue.log_context import log_context
from catalogue.meter import Metric
from catalogue.notice import Changed, changes_in
from catalogue.records.connections import MOST_SUBSCRIPTIONS, Connection, Subscription, slot_of
from catalogue.records.dynamodb import Table
from catalogue.records.dynamodb_connections import DynamoConnections

if TYPE_CHECKING:
    from api.documents import Documents
    from api.lambda_app import Wiring
    from api.services import Services
    from catalogue.records.connections import ConnectionRecords

log = logging.getLogger(__name__)

# API Gateway closes a connection after two hours; some minutes are for what is then under way.
LIFE: Final = timedelta(hours=2, minutes=5)
# How long whoever tells a subscription its last may take before another does: the function's time.
TO_END: Final = timedelta(seconds=30)
AT_ONCE: Final = 8  # subscriptions told at the same time
OK: Final[Mapping[str, Any]] = {"statusCode": 200}


class Sockets:
    """Answers what WebSocket clients tell, and tells them what they listen to.

    `origins` are those whose pages may connect ("*": any); an operation may take `seconds`.
    """

    def __init__(
        self,
        services: Services,
        documents: Documents,
        connections: ConnectionRecords,
        gateway: GatewaySockets,
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
        self.loop: Final = asyncio.new_event_loop()  # of all invocations of a container

    def answer(self, event: Mapping[str, Any], request_id: str) -> Mapping[str, Any]:
        """Take in a connection, a message, or an end.

        Whatever is wrong with a message, the client is told so or its socket closed: for a failure
        of the function API Gateway sends a message of its own, which no GraphQL client understands.
        """
        about = event["requestContext"]
        connection_id: str = about["connectionId"]
        with log_context(connection_id=connection_id, request_id=request_id):
            match about["eventType"]:
                case "CONNECT":
                    opening = _Opening(connection_id, _until(about), _headers(event))
                    return self.loop.run_until_complete(self._connect(opening))
                case "DISCONNECT":
                    self._connections.close(connection_id)
                case _:
                    told = _Told(connection_id, _until(about), event.get("body") or "", request_id)
                    self.loop.run_until_complete(self._hear(told))
        return OK

    def follow(self, event: Mapping[str, Any], request_id: str) -> None:
        """Tell of the changes in a notice. Raises Unavailable when some were not told.

        Told again, clients see a state twice, but nothing behind the end of a subscription.
        """
        with log_context(request_id=request_id):
            self.loop.run_until_complete(self._follow(changes_in(event), request_id))

    async def _connect(self, opening: _Opening) -> Mapping[str, Any]:
        offered = opening.headers.get("sec-websocket-protocol", "")
        if transport_ws.PROTOCOL not in (each.strip() for each in offered.split(",")):
            return {"statusCode": 400}
        origin = opening.headers.get("origin")
        if origin and "*" not in self._origins and origin not in self._origins:
            log.warning("foreign origin", extra={"origin": origin})
            return {"statusCode": 403}
        authorization = transport_ws.authorization_of({}, opening.headers)
        if authorization is not None:
            try:
                caller = await self._services.authenticate(authorization)
            except Refused:
                return {"statusCode": 401}
            # Kept in place of the key, which the first message then need not send once more.
            self._connections.save(_connection(opening, caller))
        return {**OK, "headers": {"Sec-WebSocket-Protocol": transport_ws.PROTOCOL}}

    async def _hear(self, told: _Told) -> None:
        try:
            await self._act(told)
        except transport_ws.Closed as closed:
            log.info("socket closed", extra={"code": closed.code, "reason": closed.reason})
            self._hang_up(told.connection_id)
        except SocketGone:
            self._connections.close(told.connection_id)
        except Exception:
            self._hang_up(told.connection_id)
            raise

    async def _act(self, told: _Told) -> None:
        match transport_ws.read(told.text, MAX_MESSAGE):
            case transport_ws.Init(payload):
                await self._begin(told, payload)
            case transport_ws.Ping():
                self._gateway.send(told.connection_id, transport_ws.pong())
            case transport_ws.Subscribe() as asked:
                await self._start(told, asked)
            case transport_ws.Complete(operation):
                self._stop(told.connection_id, operation)

    async def _begin(self, told: _Told, payload: Mapping[str, Any]) -> None:
        known = self._connections.find(told.connection_id, self._services.clock())
        authorization = transport_ws.authorization_of(payload, {})
        if known and (known.acknowledged or authorization is None):
            connection = known
        else:
            try:
                connection = _connection(told, await self._services.authenticate(authorization))
            except Refused:
                # Closed without a code, it would only come back. So each operation is told why.
                self._gateway.send(told.connection_id, transport_ws.ack())
                return
        if not self._connections.save(replace(connection, acknowledged=True)):
            raise transport_ws.Closed(4429, "Too many initialisation requests")
        self._gateway.send(told.connection_id, transport_ws.ack())

    async def _start(self, told: _Told, asked: transport_ws.Subscribe) -> None:
        now = self._services.clock()
        connection = self._connections.find(told.connection_id, now)
        if connection is None or not connection.acknowledged or _is_over(connection, now):
            self._refuse(told.connection_id, asked.id, Unauthenticated())
            return
        if connection.holds(asked.id):
            raise transport_ws.Closed(4409, f"Subscriber for {asked.id} already exists")
        try:
            text = self._documents.text(asked.query, asked.extensions)
        except Refused as error:
            self._refuse(told.connection_id, asked.id, error)
            return
        subscription = Subscription(
            connection_id=told.connection_id,
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
        await self._tell(_Look(subscription, self._keep), told.request_id)

    def _keep(self, subscription: Subscription) -> None:
        """Have a subscription told from now on. Raises Refused or Closed."""
        if self._connections.subscribe(subscription):
            return
        found = self._connections.find(subscription.connection_id, self._services.clock())
        if found is None:
            raise SocketGone(subscription.connection_id)
        if found.holds(subscription.operation):
            raise _exists(subscription.operation)
        raise Refused(
            Code.LIMIT_EXCEEDED, f"A connection has at most {MOST_SUBSCRIPTIONS} subscriptions."
        )

    def _stop(self, connection_id: str, operation: str) -> None:
        found = self._connections.find(connection_id, self._services.clock())
        topic = found.slots.get(slot_of(operation)) if found else None
        if topic:
            self._connections.unsubscribe(connection_id, operation, topic)

    async def _tell(self, look: _Look, request_id: str) -> None:
        """Execute an operation and send what comes of it. Raises SocketGone or Unavailable."""
        subscription = look.subscription
        caller = Caller(subscription.owner, subscription.scopes, subscription.ends_at)
        services = replace(self._services, live=look)
        context = Context(services, caller, self._documents, request_id)
        results: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(self._seconds):
                stream = await schema.stream(
                    subscription.query,
                    variable_values=dict(subscription.variables),
                    context_value=context,
                    operation_name=subscription.operation_name,
                )
                async with aclosing(stream):
                    results = [process_result(result) async for result in stream]
        except TimeoutError:
            results = [_refused(Code.TIMEOUT)]
        ...
