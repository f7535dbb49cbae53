"""GraphQL over transports that stream: Server-Sent Events and multipart, at the same path.

- "GraphQL over Server-Sent Events Protocol", distinct connections mode:
  https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
- "Multipart HTTP protocol for GraphQL subscriptions", Apollo GraphOS documentation
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Final, cast

from graphql import OperationType
from starlette.responses import Response
from strawberry.http.streaming import (
    HTTPStreamTransport,
    MultipartSubscriptionTransport,
    SSETransport,
)
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, MULTIPART_SUBSCRIPTION_PROTOCOL

from api.errors import RequestError
from api.graphql.http import GraphQLApp
from core.domain.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send
    from starlette.websockets import WebSocket
    from strawberry.http import GraphQLRequestData

    from api.auth.caller import Caller
    from api.graphql.context import Context
    from api.services.dependencies import Services

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 60.0  # between two looks whether a key was revoked
PATIENCE: Final = 20.0  # seconds that a client may take to take in what was sent


class _ServerSentEvents(SSETransport):
    """As Strawberry writes them, but with line ends that every client takes (urql, no others)."""

    def encode_event(self, event: str, data: str | None = None) -> str:
        """Write an event."""
        return super().encode_event(event, data).replace("\r\n", "\n")

    def encode_comment(self, comment: str) -> str:
        """Write what clients pass over."""
        return super().encode_comment(comment).replace("\r\n", "\n")


class StreamingGraphQLApp(GraphQLApp):
    """Answers requests to /graphql, with a stream where the client accepts one.

    A stream that the service ends, because it stops or the caller's access ends, ends without a
    word of its protocol: the client comes back, and is then told why if it may not. A client that
    does not take in what it is sent for `patience` seconds is dropped.
    """

    stream_transport_classes_by_protocol: Mapping[str, type[HTTPStreamTransport]] = {
        MULTIPART_SUBSCRIPTION_PROTOCOL: MultipartSubscriptionTransport,
        GRAPHQL_SSE_PROTOCOL: _ServerSentEvents,
    }

    def __init__(self, *args: Any, patience: float = PATIENCE, **options: Any) -> None:
        super().__init__(*args, **options)
        self.protocols = (MULTIPART_SUBSCRIPTION_PROTOCOL, GRAPHQL_SSE_PROTOCOL)
        self._patience = patience
        self._over = asyncio.Event()

    def end_streams(self) -> None:
        """End all that streams; to be called in the event loop."""
        self._over.set()

    async def execute_operation(
        self,
        request: Request,
        request_adapter: Any,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: Context,
        root_value: None,
        sub_response: Response,
    ) -> Any:
        """Execute a subscription; or anything else as ever, streamed as one result if need be."""
        if isinstance(request_data, list):
            raise TypeError("batching is off")
        kind = self._documents.kind(request_data.query or "", request_data.operation_name)
        if request_data.protocol != "http" and kind is not OperationType.SUBSCRIPTION:
            return _once(
                await self.execute_single(
                    request, request_adapter, sub_response, context, root_value, request_data
                )
            )
        return await super().execute_operation(
            request, request_adapter, request_data, context, root_value, sub_response
        )

    async def create_streaming_response(
        self,
        request: Request | WebSocket,
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,  # noqa: ARG002  # what an answer at once is made of
        headers: Mapping[str, str],
    ) -> Response:
        """Write an answer that goes on."""
        ends = access_ends(
            self._services, request.headers.get("authorization"), request.state.caller
        )
        return _Stream(stream(), headers, self._patience, [ends, self._over.wait()])


class _Stream(Response):
    """Sends chunks as they come, until they or one of `ends` is over."""

    def __init__(
        self,
        chunks: AsyncIterator[str],
        headers: Mapping[str, str],
        patience: float,
        ends: list[Coroutine[Any, Any, object]],
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", **headers})
        del self.headers["content-length"]
        self._chunks = chunks
        self._patience = patience
        self._ends = ends
        self._lost = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send them."""
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        await first_of(self._send(send), self._disconnected(receive), *self._ends)
        if not self._lost:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send) -> None:
        async with aclosing(cast("AsyncGenerator[str, None]", self._chunks)) as chunks:
            async for chunk in chunks:
                body = {"type": "http.response.body", "body": chunk.encode(), "more_body": True}
                try:
                    async with asyncio.timeout(self._patience):
                        await send(body)
                except TimeoutError:
                    log.warning("slow client dropped")
                    self._lost = True
                    return

    async def _disconnected(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._lost = True


async def first_of(*work: Coroutine[Any, Any, object]) -> None:
    """Await the first of some coroutines to be over, and end the others. Raises what it raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        over, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in over:
        task.result()


async def access_ends(services: Services, authorization: str | None, caller: Caller) -> None:
    """Return when a caller's access has ended: it has expired, or the key was revoked."""
    while True:
        seconds = LOOK_SECONDS
        if caller.expires_at:
            left = (caller.expires_at - services.clock()).total_seconds()
            if left <= 0:
                return
            seconds = min(seconds, left)
        await asyncio.sleep(seconds)
        with suppress(Unavailable):  # nobody is sent away because a store rests
            try:
                caller = await services.authenticate(authorization)
            except RequestError:
                return


async def _once(result: Any) -> AsyncGenerator[Any, None]:
    yield result
