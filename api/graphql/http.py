"""GraphQL over HTTP as an ASGI application, the same for uvicorn and for Lambda.

GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/
"""

from __future__ import annotations

import asyncio
import json
import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol
from uuid import uuid4

from graphql import OperationType as Operation
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from strawberry.asgi import GraphQL
from strawberry.http import (
    GraphQLHTTPResponse,
    GraphQLRequestData,
    GraphQLRequestProtocol,
    process_result,
)
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from api.errors import OF_THE_DOCUMENT, STATUS, Code, RequestError, refusal, timeout_error
from api.graphql.context import Context
from api.graphql.documents import Documents, read_manifest
from api.graphql.query_cost import Limits
from api.graphql.schema import schema
from api.limits import MAX_REQUEST
from core.runtime.json import write_json
from core.runtime.logging import log_context

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    from starlette.types import Receive, Scope, Send
    from starlette.websockets import WebSocket
    from strawberry.types import ExecutionResult

    from api.services.dependencies import Services

log = logging.getLogger(__name__)

JSON: Final = "application/json"
GRAPHQL_JSON: Final = "application/graphql-response+json"
OPERATION_SECONDS: Final = 15.0
_ALLOWED: Final = {
    "GET": frozenset({OperationType.QUERY}),
    "POST": frozenset({OperationType.QUERY, OperationType.MUTATION}),
}
_DIGITS: Final = len(str(MAX_REQUEST))


class GraphQLApp(GraphQL[Context, None]):
    """Answers requests to /graphql, whatever they are.

    An operation may take `seconds`. A browser's GET is answered with the file `page`, if there is
    one, sent with `page_headers`. `websocket_url` is named to who subscribes where nothing streams.
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
        request = _BoundedRequest(scope, receive)
        request.state.request_id = _request_id(scope)
        with log_context(request_id=request.state.request_id):
            try:
                response = await self._answer(request)
            except ClientDisconnect:
                return  # nobody is there to be answered
            except Exception as error:  # noqa: BLE001  # the last to see it
                response = _refused(request, error)
            await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in ("GET", "POST"):
            raise RequestError(
                Code.METHOD_NOT_ALLOWED,
                "Send GraphQL with POST, or queries with GET.",
                headers={"allow": "GET, POST"},
            )
        if self._page and _wants_page(request):
            # The page itself shows nobody's data; it asks with a key of its own.
            return FileResponse(self._page, headers=self._page_headers)
        accept = request.headers.get("accept")
        kind = media_type(accept)
        # What Strawberry's `run` does, without a look at what is not to be had here.
        context = await self._context(request)
        if kind is None and self.protocols and streams(accept):
            return await self._streamed(request, context)
        if kind is None:
            message = f"Answers are {GRAPHQL_JSON} or {JSON}."
            if streams(accept):
                message = f"{self._needs_stream()} Other answers are {GRAPHQL_JSON} or {JSON}."
            raise RequestError(Code.NOT_ACCEPTABLE, message)
        body = await request.body() if request.method == "POST" else b""
        sent = request.headers.get("content-type", "")
        asked = self._asked(_read(request.method, request.query_params, sent, body), "http")
        if self.protocols and streams(accept):  # as well
            operation = self._documents.kind(asked.query or "", asked.operation_name)
            if operation is Operation.SUBSCRIPTION:
                return await self._streamed(request, context)
        return _written(_body(await self._execute(request.method, context, asked)), kind)

    async def _streamed(self, request: Request, context: Context) -> Response:
        response: Response = await self.run(request, context=context)
        return response

    async def get_context(
        self,
        request: Request | WebSocket,
        response: Response | WebSocket,  # noqa: ARG002  # nothing to add to it
    ) -> Context:
        """Find out whose request it is. Raises Unauthenticated or Unavailable."""
        return await self._context(request)

    async def _context(self, request: Request | WebSocket) -> Context:
        caller = await self._services.authenticate(request.headers.get("authorization"))
        request.state.caller = caller
        return Context(self._services, caller, self._documents, request.state.request_id)

    def should_render_graphql_ide(self, request: Any) -> bool:  # noqa: ARG002  # as declared
        """Show no page of Strawberry's, which loads scripts from elsewhere."""
        return False

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Return what the answer will be made of: its media type, by what the client accepts."""
        return Response(media_type=media_type(request.headers.get("accept")) or JSON)

    async def parse_http_body(self, request: Any) -> GraphQLRequestData:
        """Read what is asked. Raises Refused."""
        transport = self._get_stream_transport_from_headers(request.headers)
        body = await request.get_body() if request.method == "POST" else b""
        kind = request.content_type or ""
        asked = _read(request.method, request.query_params, kind, body)
        return self._asked(asked, transport.protocol if transport else "http")

    def _asked(self, asked: Any, protocol: GraphQLRequestProtocol) -> GraphQLRequestData:
        if isinstance(asked, list):
            raise RequestError(Code.BAD_REQUEST, "Batching is off: send one operation a request.")
        if not isinstance(asked, dict):
            raise RequestError(Code.BAD_REQUEST, "The body must be a JSON object.")
        query = _checked(asked, "query", str, "a string")
        extensions = _checked(asked, "extensions", dict, "an object")
        return GraphQLRequestData(
            query=self._documents.text(query, extensions),
            variables=_checked(asked, "variables", dict, "an object"),
            operation_name=_checked(asked, "operationName", str, "a string") or None,
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
        """Execute an operation. Raises Refused."""
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
        """Write an answer's body: without `data` when execution was not even begun."""
        return _body(result)

    def create_response(
        self,
        response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse],
        sub_response: Response,
    ) -> Response:
        """Write an answer."""
        return _written(response_data, sub_response.media_type or JSON)


def _body(result: ExecutionResult) -> GraphQLHTTPResponse:
    body = process_result(result)
    if result.data is None and not any(error.path for error in result.errors or ()):
        del body["data"]
    return body


def _written(body: Any, kind: str) -> Response:
    status = 200
    if "data" not in body:
        code = body["errors"][0].get("extensions", {}).get("code")
        if code not in OF_THE_DOCUMENT or kind == GRAPHQL_JSON:
            status = STATUS.get(code, 400)
    return _response(write_json(body), status, kind)


class DocumentSettings(Protocol):
    """Settings of what may be executed; see embedded.settings for what each means."""

    @property
    def max_cost(self) -> int: ...  # noqa: D102
    @property
    def introspection(self) -> bool: ...  # noqa: D102
    @property
    def field_suggestions(self) -> bool: ...  # noqa: D102
    @property
    def automatic_persisted_queries(self) -> bool: ...  # noqa: D102
    @property
    def allowed_documents(self) -> Path | None: ...  # noqa: D102


def documents(settings: DocumentSettings) -> Documents:
    """Make the documents that a service executes. Raises BadSetting."""
    allowed = settings.allowed_documents
    return Documents(
        schema._schema,  # noqa: SLF001  # graphql-core's
        Limits(cost=settings.max_cost),
        introspection=settings.introspection,
        suggestions=settings.field_suggestions,
        automatic=settings.automatic_persisted_queries,
        allowed=read_manifest(allowed) if allowed else None,
    )


class _BoundedRequest(Request):
    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body. Raises Refused once it is too long."""
        received = 0
        declared = self.headers.get("content-length", "")
        # By its digits first: Python reads no number of thousands of them.
        if len(declared) > _DIGITS or (declared.isdecimal() and int(declared) > MAX_REQUEST):
            raise _too_large()
        async for chunk in super().stream():
            received += len(chunk)
            if received > MAX_REQUEST:
                raise _too_large()
            yield chunk


def _too_large() -> RequestError:
    return RequestError(Code.TOO_LARGE, f"A request's body is at most {MAX_REQUEST} bytes.")


def _read(method: str, params: Mapping[str, str], content_type: str, body: bytes) -> Any:
    """Read what a request asks, whatever it is. Raises Refused."""
    if method == "GET":
        return _parameters(params)
    _check_content_type(content_type)
    return _read_json(body, "The body")


def _parameters(given: Mapping[str, str]) -> dict[str, Any]:
    """Read what a GET asks from its URL, where objects are JSON."""
    asked: dict[str, Any] = dict(given)
    for name in ("variables", "extensions"):
        if name in asked:
            asked[name] = _read_json(asked[name], name) if asked[name] else None
    return asked


def _read_json(text: str | bytes, what: str) -> Any:
    try:
        return _JSON.decode(
            text
            if isinstance(text, str)
            else text.decode(json.detect_encoding(text), "surrogatepass")
        )
    except (ValueError, RecursionError) as exc:
        raise RequestError(Code.BAD_REQUEST, f"{what} can't be read as JSON.") from exc


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is Python's, not JSON's")


_JSON: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def _checked(asked: Mapping[str, Any], name: str, kind: type, described: str) -> Any:
    value = asked.get(name)
    if value is not None and not isinstance(value, kind):
        raise RequestError(Code.BAD_REQUEST, f"'{name}' must be {described} or null.")
    return value


@lru_cache(maxsize=64)
def _check_content_type(given: str) -> None:
    """Take JSON alone: a form can be sent by a page of any other site, without asking us first."""
    kind, *parameters = (part.strip().lower() for part in given.split(";"))
    charsets = [each.partition("=")[2] for each in parameters if each.startswith("charset=")]
    if kind != JSON or any(each.strip('"') not in ("utf-8", "utf8") for each in charsets):
        raise RequestError(
            Code.UNSUPPORTED_MEDIA_TYPE, f"Send {JSON} in UTF-8.", headers={"accept-post": JSON}
        )


@lru_cache(maxsize=64)
def media_type(accept: str | None) -> str | None:
    """Choose an answer's media type by the Accept header (RFC 9110, 12.5.1); None: none will do.

    Who doesn't mind gets `application/json`, as clients that know of no other do.
    """
    if not accept:
        return JSON
    weights = {}
    for part in accept.lower().split(","):
        kind, *parameters = (each.strip() for each in part.split(";"))
        weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            weights[kind] = float(weight)
        except ValueError:
            weights[kind] = 0.0
    anything = weights.get("application/*", weights.get("*/*", 0.0))
    plain, graphql = weights.get(JSON, anything), weights.get(GRAPHQL_JSON, 0.0)
    if max(plain, graphql) <= 0:
        return None
    return GRAPHQL_JSON if graphql >= plain else JSON


def streams(accept: str | None) -> bool:
    """Tell whether an Accept header asks for what a subscription is answered with over HTTP."""
    return any(each in (accept or "").lower() for each in ("text/event-stream", "multipart/mixed"))


def _response(
    body: str | bytes, status: int, kind: str, headers: Mapping[str, str] | None = None
) -> Response:
    # What an answer holds is its owner's, and true for the moment.
    return Response(
        body,
        status,
        {"cache-control": "no-store", **(headers or {})},
        media_type=f"{kind}; charset=utf-8",
    )


def _refused(request: Request, error: Exception) -> Response:
    status, headers, body = refusal(error, request.state.request_id)
    if not isinstance(error, RequestError):
        log.error("request failed", exc_info=error)
    kind = media_type(request.headers.get("accept")) or JSON
    return _response(json.dumps(body), status, kind, headers)


def _wants_page(request: Request) -> bool:
    return (
        request.method == "GET"
        and not {"query", "extensions"} & request.query_params.keys()
        and "text/html" in request.headers.get("accept", "")
    )


def _request_id(scope: Scope) -> str:
    """Return Lambda's id of the request, or make one."""
    context = scope.get("aws.context")
    return str(context.aws_request_id) if context else uuid4().hex
