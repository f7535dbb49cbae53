"""GraphQL over streaming HTTP responses: Server-Sent Events and multipart, at the same path.

- "GraphQL over Server-Sent Events Protocol", distinct connections mode:
  https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
- "Multipart HTTP protocol for GraphQL subscriptions", Apollo GraphOS documentation
"""

from __future__ import annotations

import asyncio
import json
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

from api.auth.rate_limits import client_address
from api.errors import Code, RequestError, TooManyRequests, error_body
from api.graphql.http.app import GraphQLApp
from core.domain.errors import Unavailable
from embedded.limits.concurrency import current_slot

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Coroutine,
        Mapping,
        Sequence,
    )

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send
    from starlette.websockets import WebSocket
    from strawberry.http import GraphQLRequestData

    from api.auth.caller import Caller
    from api.graphql.context import Context
    from api.services.dependencies import Services
    from embedded.limits.concurrency import ConcurrencyLimit, Slot

log = logging.getLogger(__name__)

RECHECK_SECONDS: Final = 60.0  # between two checks whether a key was revoked
SEND_TIMEOUT: Final = 20.0  # seconds in which a client must read what was sent


class _ServerSentEvents(SSETransport):
    """Strawberry's events with LF as line ends, the only ones that urql accepts."""

    def encode_event(self, event: str, data: str | None = None) -> str:
        """Return the text of an event."""
        return super().encode_event(event, data).replace("\r\n", "\n")

    def encode_comment(self, comment: str) -> str:
        """Return the text of a comment, which clients ignore."""
        return super().encode_comment(comment).replace("\r\n", "\n")

    def encode_end(self, error: RequestError) -> str:
        """Return the text that ends a stream with an error."""
        # urql repeats the last result, its error too, at the end of a stream without `hasNext`.
        body = {**error_body(str(error), error.code), "hasNext": False}
        return self.encode_event("next", json.dumps(body)) + self.encode_complete()


class _Multipart(MultipartSubscriptionTransport):
    """Strawberry's parts, and the error that ends a stream."""

    def encode_end(self, error: RequestError) -> str:
        """Return the text that ends a stream with an error.

        A part whose `payload` is null tells that the stream has failed, not the operation: Apollo's
        retry link subscribes again.
        """
        body = {"payload": None, **error_body(str(error), error.code)}
        return self.encode_multipart_data(body, json.dumps) + self.encode_complete()


class StreamingGraphQLApp(GraphQLApp):
    """Answers requests to /graphql, with a stream if the client accepts one.

    A stream that the service ends, because it stops or the caller's access ends, has the reason as
    its last error, and is complete in its protocol. A client that reads nothing for `send_timeout`
    seconds is disconnected.
    """

    stream_transport_classes_by_protocol: Mapping[str, type[HTTPStreamTransport]] = {
        MULTIPART_SUBSCRIPTION_PROTOCOL: _Multipart,
        GRAPHQL_SSE_PROTOCOL: _ServerSentEvents,
    }

    def __init__(
        self,
        *args: Any,
        subscriptions: ConcurrencyLimit,
        send_timeout: float = SEND_TIMEOUT,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._subscriptions = subscriptions
        self.protocols = (MULTIPART_SUBSCRIPTION_PROTOCOL, GRAPHQL_SSE_PROTOCOL)
        self._send_timeout = send_timeout
        self._stopping = asyncio.Event()

    def end_streams(self) -> None:
        """End all streams. Call it in the event loop."""
        self._stopping.set()

    async def execute_operation(
        self,
        request: Request,
        request_adapter: Any,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: Context,
        root_value: None,
        sub_response: Response,
    ) -> Any:
        """Execute an operation; a query or mutation in a stream is one result."""
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
        sub_response: Response,  # noqa: ARG002  # for responses that are not streamed
        headers: Mapping[str, str],
    ) -> Response:
        """Return the response that streams an operation's results. Raises RequestError."""
        slot = self._subscriptions.begin(client_address.get(), request.state.caller.owner)
        transport = self._get_stream_transport_from_headers(request.headers)
        encode_end = cast("_ServerSentEvents | _Multipart", transport).encode_end
        ends = [self._access_end(request), self._stop()]
        return _StreamResponse(stream(), headers, self._send_timeout, ends, encode_end, slot)

    async def _access_end(self, request: Request | WebSocket) -> RequestError:
        authorization = request.headers.get("authorization")
        await wait_for_access_end(self._services, authorization, request.state.caller)
        message = "The API key or token has expired or was revoked. Subscribe with a valid one."
        return RequestError(Code.UNAUTHENTICATED, message)

    async def _stop(self) -> RequestError:
        await self._stopping.wait()
        message = "The service is stopping. Subscribe again in a moment."
        return RequestError(Code.SERVICE_UNAVAILABLE, message)


class _StreamResponse(Response):
    """Sends chunks as they come, until they end or one of `ends` returns the error to end with.

    `encode_end` writes that error. At the end `slot` ends.
    """

    def __init__(
        self,
        chunks: AsyncIterator[str],
        headers: Mapping[str, str],
        send_timeout: float,
        ends: Sequence[Coroutine[Any, Any, RequestError]],
        encode_end: Callable[[RequestError], str],
        slot: Slot,
    ) -> None:
        super().__init__(headers={"cache-control": "no-store", **headers})
        del self.headers["content-length"]
        self._chunks = chunks
        self._send_timeout = send_timeout
        self._ends = ends
        self._encode_end = encode_end
        self._slot = slot
        self._lost = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the response."""
        if request := current_slot.get():
            request.end()  # it is a subscription now
        try:
            await self._stream(receive, send)
        finally:
            self._slot.end()

    async def _stream(self, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        error = await run_until_first_ends(
            self._send_chunks(send), self._disconnected(receive), *self._ends
        )
        if not self._lost:
            last = self._encode_end(error) if error else ""
            await self._send(send, last, more_body=False)

    async def _send_chunks(self, send: Send) -> None:
        async with aclosing(cast("AsyncGenerator[str, None]", self._chunks)) as chunks:
            async for chunk in chunks:
                await self._send(send, chunk, more_body=True)
                if self._lost:
                    return

    async def _send(self, send: Send, chunk: str, *, more_body: bool) -> None:
        try:
            async with asyncio.timeout(self._send_timeout):
                await send(
                    {"type": "http.response.body", "body": chunk.encode(), "more_body": more_body}
                )
        except TimeoutError:
            log.warning("slow client disconnected")
            self._lost = True

    async def _disconnected(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._lost = True


async def run_until_first_ends(
    *work: Coroutine[Any, Any, RequestError | None],
) -> RequestError | None:
    """Run coroutines until the first ends, then cancel the others; return what it returned.

    Of several that ended together the earliest argument counts. Raises what it raised.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = next(task for task in tasks if task.done())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return ended.result()


async def wait_for_access_end(
    services: Services, authorization: str | None, caller: Caller
) -> None:
    """Return when a caller's access ends: its key expires or is revoked."""
    while True:
        seconds = RECHECK_SECONDS
        if caller.expires_at:
            left = (caller.expires_at - services.clock()).total_seconds()
            if left <= 0:
                return
            seconds = min(seconds, left)
        await asyncio.sleep(seconds)
        with suppress(Unavailable):  # a store that is down for a while ends no access
            try:
                caller = await services.authenticate(authorization)
            except TooManyRequests:
                continue  # a rate limit ends no access either
            except RequestError:
                return


async def _once(result: Any) -> AsyncGenerator[Any, None]:
    yield result
