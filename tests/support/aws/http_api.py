"""An API Gateway HTTP API on this machine, in front of a Lambda's handler.

API Gateway Developer Guide: "Create AWS Lambda proxy integrations for HTTP APIs", format 2.0.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self, TypeVar
from urllib.parse import parse_qsl, urlsplit

TEXT: Final = ("text/", "application/json", "application/javascript", "application/xml")
Made = TypeVar("Made")
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def http_api_event(
    method: str, path: str, headers: Mapping[str, str], body: str | bytes | None = None
) -> dict[str, Any]:
    """Return the event of a request; `path` may have a query."""
    parts = urlsplit(path)
    encoded = isinstance(body, bytes)
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": dict(headers),
        "queryStringParameters": dict(parse_qsl(parts.query)),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.example",
            "http": {
                "method": method,
                "path": parts.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "test",
            },
            "requestId": "id",
            "stage": "$default",
            "time": "31/Jan/2026:12:00:00 +0000",
            "timeEpoch": 1769860800000,
        },
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": encoded,
    }


@dataclass(frozen=True)
class Invocation:
    """What Lambda tells a handler of its invocation."""

    aws_request_id: str
    function_name: str = "labelling-dev-api"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:eu-central-1:123456789012:function:any"


class HttpApi:
    """Listens on a free loopback port; the handler works in one thread, as in one container."""

    def __init__(self, handler: Handler) -> None:
        self.invocations: list[Invocation] = []
        self._handler = handler
        self._loop = asyncio.new_event_loop()  # Mangum takes the thread's
        self._container = ThreadPoolExecutor(1, "container", asyncio.set_event_loop, (self._loop,))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._request_handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def run(self, make: Callable[[], Made]) -> Made:
        """Make something in the container's thread."""
        return self._container.submit(make).result()

    def _invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        invocation = Invocation(f"request-{len(self.invocations) + 1}")
        self.invocations.append(invocation)
        return self._handler(event, invocation)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._container.shutdown()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _request_handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class RequestHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                body: str | bytes | None = content or None
                if headers.get("content-type", "").startswith(TEXT):
                    with contextlib.suppress(UnicodeDecodeError):
                        body = content.decode()
                event = http_api_event(self.command, self.path, headers, body)
                answer = api._container.submit(api._invoke, event).result()
                told = answer.get("body") or ""
                sent = base64.b64decode(told) if answer.get("isBase64Encoded") else told.encode()
                self.send_response(answer["statusCode"])
                for name, value in (answer.get("headers") or {}).items():
                    if name != "content-length":
                        self.send_header(name, value)
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(sent)

            do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        return RequestHandler
