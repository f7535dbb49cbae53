"""The API with all its transports over embedded stores, on a real socket."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any, Self

import uvicorn
from starlette.routing import WebSocketRoute

from api.auth.caller import Caller
from api.auth.rate_limits import ClientAddress
from api.graphql.execution.documents import Documents
from api.graphql.schema import schema
from api.rest.app import create_app
from embedded.http.concurrency import LimitConcurrency
from embedded.http.connection_limits import DEFAULT_LIMITS, ConnectionLimits
from embedded.http.pubsub import LocalPubSub
from embedded.http.sse import StreamingGraphQLApp
from embedded.http.websocket import GraphQLSocket
from embedded.limits.concurrency import Concurrency, count_owners
from embedded.serve import server_options
from embedded.settings import Settings
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.waiting import PATIENCE, wait_until

SETTINGS = Settings()


class CountedChecks:
    """Authenticates as embedded stores do, and counts how often."""

    def __init__(self, stores: EmbeddedStores) -> None:
        self.number = 0
        self._authenticate = stores.services(None).authenticate

    async def __call__(self, authorization: str | None) -> Caller:
        """Return the caller. Raises RequestError."""
        self.number += 1
        return await self._authenticate(authorization)


class LiveServer:
    """Serves embedded stores on a free loopback port, from its own thread.

    `limits` are those of HTTP connections, `socket` are options of GraphQLSocket, `services`
    replace fields of Services, `send_timeout` is that of all streams, `settings` have the limits of
    what is in progress.
    """

    def __init__(
        self,
        stores: EmbeddedStores,
        keyless_owner: str | None = "local",
        *,
        origins: tuple[str, ...] = (),
        send_timeout: float = 20,
        documents: dict[str, Any] | None = None,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        services: dict[str, Any] | None = None,
        settings: Settings = SETTINGS,
        **socket: Any,
    ) -> None:
        self.pubsub = LocalPubSub(stores.clock)
        stores.blobs.changes.watch(self.pubsub.publish)
        used = replace(stores.services(keyless_owner), pubsub=self.pubsub, **(services or {}))
        executable = Documents(schema._schema, **(documents or {}))
        self.concurrency = Concurrency(settings)
        used = replace(used, authenticate=count_owners(used.authenticate))
        self.graphql = StreamingGraphQLApp(
            used,
            executable,
            subscriptions=self.concurrency.subscriptions,
            seconds=5,
            send_timeout=send_timeout,
        )
        app = create_app(used, graphql=self.graphql)
        serving = GraphQLSocket(
            used,
            executable,
            self.concurrency,
            origins=origins,
            seconds=5,
            send_timeout=send_timeout,
            **socket,
        )
        app.router.routes.append(WebSocketRoute("/graphql", serving))
        # A client or stream that is not ended would keep it from stopping for ever.
        options = server_options(limits) | {"timeout_graceful_shutdown": None}
        limited = ClientAddress(LimitConcurrency(app, self.concurrency))
        config = uvicorn.Config(limited, host="127.0.0.1", port=0, log_level="critical", **options)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self._server.started)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop as Ctrl-C does."""
        if self._thread.is_alive():
            self.call(self.graphql.end_streams)
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def call(self, function: Any) -> Any:
        """Call a function in the server's event loop."""

        async def called() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result(PATIENCE)

    def connections(self) -> int:
        """Return the number of open HTTP connections."""
        counted: int = self.call(lambda: len(self._server.server_state.connections))
        return counted

    def tasks(self) -> int:
        """Return the number of tasks in the event loop, without this one."""
        counted: int = self.call(lambda: len(asyncio.all_tasks()) - 1)
        return counted

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._server.serve())
