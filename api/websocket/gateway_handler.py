"""WebSocket clients on AWS Lambda: each message is an invocation, and so is each change.

The protocol is that of `api.websocket.protocol`. The state that the embedded service keeps with
its socket is stored in the table of connections; messages are sent by API Gateway's management API
(docs/decisions/0018).
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from api.auth.origins import may_use
from api.auth.rate_limits import client_address
from api.errors import RequestError, Unauthenticated
from api.websocket import protocol
from api.websocket.gateway_client import MAX_MESSAGE, GatewayClient, SocketGone
from api.websocket.gateway_execution import GatewayExecutor, has_ended
from core.domain.clock import from_epoch_ms
from core.events.subscription_event import changes_in
from core.repositories.ports.connections import Connection
from core.runtime.logging import log_context

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Mapping

    from api.auth.caller import Caller
    from api.graphql.execution.documents import Documents
    from api.services.dependencies import Services
    from core.repositories.ports.connections import ConnectionRepository

log = logging.getLogger(__name__)

# API Gateway closes a connection after two hours; the margin is for messages in progress.
MAX_LIFETIME: Final = timedelta(hours=2, minutes=5)
OK: Final[Mapping[str, Any]] = {"statusCode": 200}


class GatewayHandler:
    """Handles the events of a WebSocket API, and publishes changes to its clients.

    `origins` are those whose pages may connect, as for CORS. An operation may take `seconds`.
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
        self._connections = connections
        self._gateway = gateway
        self._origins = origins
        self._executor = GatewayExecutor(services, documents, connections, gateway, seconds=seconds)

    def handle(self, event: Mapping[str, Any], request_id: str) -> Mapping[str, Any]:
        """Handle a new connection, a message, or the end of a connection.

        Every error is sent to the client or closes its socket. When the function fails, API Gateway
        sends a message of its own, which no GraphQL client understands.
        """
        about = event["requestContext"]
        connection_id: str = about["connectionId"]
        client_address.set(about["identity"]["sourceIp"])
        with log_context(connection_id=connection_id, request_id=request_id):
            match about["eventType"]:
                case "CONNECT":
                    response: Mapping[str, Any] = _run(self._connect(about, _headers(event)))
                    return response
                case "DISCONNECT":
                    self._connections.close(connection_id)
                case _:
                    _run(self._receive(about, event.get("body") or "", request_id))
        return OK

    def publish(self, event: Mapping[str, Any], request_id: str) -> None:
        """Publish the changes of a subscription event to the clients that subscribed to them.

        Raises Unavailable when a client did not receive one. After a retry, clients receive a state
        twice, but nothing after the end of a subscription.
        """
        with log_context(request_id=request_id):
            for changed in changes_in(event):
                _run(self._executor.publish(changed, request_id))

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
            # The caller is stored, not the key: `connection_init` need not send the key again.
            self._connections.save(_connection(about, caller))
        return {**OK, "headers": {"Sec-WebSocket-Protocol": protocol.PROTOCOL}}

    async def _receive(self, about: Mapping[str, Any], text: str, request_id: str) -> None:
        connection_id = about["connectionId"]
        try:
            match protocol.read(text, MAX_MESSAGE):
                case protocol.Init(payload):
                    await self._init(about, payload)
                case protocol.Ping():
                    self._gateway.send(connection_id, protocol.pong())
                case protocol.Subscribe() as request:
                    await self._start(connection_id, request, request_id)
                case protocol.Complete(operation):
                    self._stop(connection_id, operation)
        except protocol.Closed as closed:
            log.info("socket closed", extra={"code": closed.code, "reason": closed.reason})
            self._close(connection_id)
        except SocketGone:
            self._connections.close(connection_id)
        except Exception:
            self._close(connection_id)
            raise

    def _close(self, connection_id: str) -> None:
        self._gateway.close(connection_id)
        self._connections.close(connection_id)

    async def _init(self, about: Mapping[str, Any], payload: Mapping[str, Any]) -> None:
        connection_id = about["connectionId"]
        connection = self._connections.find(connection_id, self._services.clock())
        authorization = protocol.authorization_of(payload, {})
        if connection is None or (authorization is not None and not connection.acknowledged):
            try:
                caller = await self._services.authenticate(authorization)
            except RequestError:
                # Acknowledged, but not stored, so that each operation gets UNAUTHENTICATED: closed
                # without a code, the client would only reconnect.
                self._gateway.send(connection_id, protocol.ack())
                return
            connection = _connection(about, caller)
        if not self._connections.save(replace(connection, acknowledged=True)):
            raise protocol.too_many_inits()
        self._gateway.send(connection_id, protocol.ack())

    async def _start(
        self, connection_id: str, request: protocol.Subscribe, request_id: str
    ) -> None:
        now = self._services.clock()
        connection = self._connections.find(connection_id, now)
        if connection is None or not connection.acknowledged or has_ended(connection, now):
            self._gateway.send(connection_id, protocol.error_for(request.id, Unauthenticated()))
            return
        if connection.holds(request.id):
            raise protocol.operation_exists(request.id)
        await self._executor.start(connection, request, request_id)

    def _stop(self, connection_id: str, operation: str) -> None:
        self._connections.unsubscribe(connection_id, operation)


def _connection(about: Mapping[str, Any], caller: Caller) -> Connection:
    expires_at = from_epoch_ms(about["connectedAt"]) + MAX_LIFETIME
    return Connection(
        about["connectionId"], caller.owner, caller.scopes, caller.expires_at, expires_at
    )


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in (event.get("headers") or {}).items()}


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    loop = asyncio.new_event_loop()  # the thread's current loop is Mangum's
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()
