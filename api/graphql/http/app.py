"""GraphQL over HTTP as an ASGI application, for uvicorn and for Lambda.

GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from graphql import OperationType as Operation
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, Response
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLRequestData
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from api.errors import Code, RequestError, timeout_error
from api.graphql.context import Context
from api.graphql.execution.documents import Documents
from api.graphql.execution.response_size import is_too_large, too_large
from api.graphql.http.request import (
    JSON,
    BoundedRequest,
    read_request,
    request_id_of,
    wants_page,
)
from api.graphql.http.response import (
    GRAPHQL_JSON,
    accepts_stream,
    error_response,
    graphql_response,
    media_type,
    response_body,
)
from api.graphql.schema import schema
from core.runtime.logging import log_context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send
    from starlette.websockets import WebSocket
    from strawberry.http import GraphQLHTTPResponse, GraphQLRequestProtocol
    from strawberry.types import ExecutionResult

    from api.services.dependencies import Services

log = logging.getLogger(__name__)

OPERATION_SECONDS: Final = 15.0
_ALLOWED: Final = {
    "GET": frozenset({OperationType.QUERY}),
    "POST": frozenset({OperationType.QUERY, OperationType.MUTATION}),
}


class GraphQLApp(GraphQL[Context, None]):
    """Answers requests to /graphql.

    An operation may take `seconds`. A browser that opens the URL gets the file `page`, if there is
    one, with `page_headers`. `websocket_url` is in the error for a subscription over a transport
    that can't stream.
    """

    def __init__(
        self,
        services: Services,
        documents: Documents | None = None,
        *,
        seconds: float = OPERATION_SECONDS,
        page: Path | None = None,
        page_headers: Mapping[str, str] | None = None,
        websocket_url: str | None = None,
    ) -> None:
        super().__init__(schema, graphql_ide=None, subscription_protocols=())
        self._services = services
        self._documents = documents or Documents(schema._schema)  # noqa: SLF001  # graphql-core's
        self._seconds = seconds
        self._page = page
        self._page_headers = page_headers
        self._websocket_url = websocket_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = BoundedRequest(scope, receive)
        request.state.request_id = request_id_of(scope)
        with log_context(request_id=request.state.request_id):
            try:
                response = await self._answer(request)
            except ClientDisconnect:
                return  # the client is gone
            except Exception as error:  # noqa: BLE001  # nothing above handles it
                response = error_response(request, error)
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "POST"):
            raise RequestError(
                Code.METHOD_NOT_ALLOWED,
                "Send GraphQL with POST, or queries with GET.",
                headers={"allow": "GET, POST"},
            )
        if self._page and wants_page(request):
            # The page itself holds no data; its requests carry an API key.
            return FileResponse(self._page, headers=self._page_headers)
        accept = request.headers.get("accept")
        kind = media_type(accept)
        # Strawberry's `run`, without the features that are off here.
        context = await self._context(request)
        try:
            return await self._answer_operation(request, context, accept, kind)
        finally:
            request.state.operation = context.operation  # for metrics

    async def _answer_operation(
        self, request: Request, context: Context, accept: str | None, kind: str | None
    ) -> Response:
        if kind is None and self.protocols and accepts_stream(accept):
            return await self._streamed(request, context)
        if kind is None:
            message = f"Responses are {GRAPHQL_JSON} or {JSON}: accept one of them."
            if accepts_stream(accept):
                message = f"{self._needs_stream()} Other responses are {GRAPHQL_JSON} or {JSON}."
            raise RequestError(Code.NOT_ACCEPTABLE, message)
        body = await request.body() if request.method == "POST" else b""
        sent = request.headers.get("content-type", "")
        parameters = read_request(request.method, request.query_params, sent, body)
        asked = self._request_data(parameters, "http")
        if self.protocols and accepts_stream(accept):  # besides JSON
            operation = self._documents.kind(asked.query or "", asked.operation_name)
            if operation is Operation.SUBSCRIPTION:
                return await self._streamed(request, context)
        result = await self._execute(request.method, context, asked)
        return graphql_response(response_body(result), kind)

    async def _streamed(self, request: Request, context: Context) -> Response:
        response: Response = await self.run(request, context=context)
        return response

    async def get_context(
        self,
        request: Request | WebSocket,
        response: Response | WebSocket,  # noqa: ARG002  # unused
    ) -> Context:
        """Authenticate the caller. Raises Unauthenticated or Unavailable."""
        return await self._context(request)

    async def _context(self, request: Request | WebSocket) -> Context:
        caller = await self._services.authenticate(request.headers.get("authorization"))
        request.state.caller = caller
        return Context(self._services, caller, self._documents, request.state.request_id)

    def should_render_graphql_ide(self, request: Any) -> bool:  # noqa: ARG002  # unused
        """Return False: Strawberry's page loads scripts from other hosts."""
        return False

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Return the response to be filled, with the media type that the client accepts."""
        return Response(media_type=media_type(request.headers.get("accept")) or JSON)

    async def parse_http_body(self, request: Any) -> GraphQLRequestData:
        """Read the request. Raises RequestError."""
        transport = self._get_stream_transport_from_headers(request.headers)
        body = await request.get_body() if request.method == "POST" else b""
        kind = request.content_type or ""
        parameters = read_request(request.method, request.query_params, kind, body)
        return self._request_data(parameters, transport.protocol if transport else "http")

    def _request_data(
        self, parameters: dict[str, Any], protocol: GraphQLRequestProtocol
    ) -> GraphQLRequestData:
        extensions = parameters["extensions"]
        return GraphQLRequestData(
            query=self._documents.text(parameters["query"], extensions),
            variables=parameters["variables"],
            operation_name=parameters["operationName"],
            extensions=extensions,
            protocol=protocol,
        )

    async def execute_single(
        self,
        request: Request,  # noqa: ARG002  # Strawberry's
        request_adapter: Any,
        sub_response: Response,  # noqa: ARG002  # Strawberry's
        context: Context,
        root_value: None,  # noqa: ARG002  # Strawberry's
        request_data: GraphQLRequestData,
    ) -> ExecutionResult:
        """Execute an operation. Raises RequestError."""
        return await self._execute(request_adapter.method, context, request_data)

    async def _execute(
        self, method: str, context: Context, asked: GraphQLRequestData
    ) -> ExecutionResult:
        try:
            async with asyncio.timeout(self._seconds):
                return await self.schema.execute(
                    asked.query,
                    variable_values=asked.variables,
                    context_value=context,
                    operation_name=asked.operation_name,
                    allowed_operation_types=_ALLOWED[method],
                    operation_extensions=asked.extensions,
                )
        except TimeoutError:
            log.warning("operation took too long")
            raise timeout_error(self._seconds, context.request_id) from None
        except CannotGetOperationTypeError as exc:
            reason = exc.as_http_error_reason()
            raise RequestError(Code.OPERATION_RESOLUTION_FAILURE, reason) from exc
        except InvalidOperationTypeError as exc:
            if exc.operation_type is OperationType.SUBSCRIPTION:
                raise RequestError(Code.BAD_REQUEST, self._needs_stream()) from exc
            raise RequestError(
                Code.METHOD_NOT_ALLOWED, "Send mutations with POST.", headers={"allow": "POST"}
            ) from exc

    def _needs_stream(self) -> str:
        if self._websocket_url:
            return f"Subscribe by WebSocket (graphql-transport-ws) at {self._websocket_url}."
        return (
            "A subscription needs a transport that streams: a WebSocket (graphql-transport-ws), "
            "or the Accept header of Server-Sent Events or multipart."
        )

    async def process_result(
        self,
        request: Request,  # noqa: ARG002  # Strawberry's
        result: ExecutionResult,
    ) -> GraphQLHTTPResponse:
        """Return the body of a response."""
        return response_body(result)

    def encode_json_string(self, data: object) -> str:
        """Return an event of a stream as JSON, or the error in place of one that is too large."""
        written = super().encode_json_string(data)
        if not is_too_large(written):
            return written
        match data:
            case {"payload": dict(body)}:  # of multipart
                return super().encode_json_string({"payload": too_large(body)})
            case dict(body):
                return super().encode_json_string(too_large(body))
        raise TypeError(f"{type(data).__name__} is not an event")

    def create_response(
        self,
        response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse],
        sub_response: Response,
    ) -> Response:
        """Return a response."""
        return graphql_response(response_data, sub_response.media_type or JSON)
