"""An API Gateway WebSocket API on this machine, in front of a Lambda's handler.

Clients connect to it by real WebSockets; their frames become the events that API Gateway sends, and
`@connections` is served to the real client of the management API. Follows the API Gateway Developer
Guide: "Managing connected users and client apps", "Use @connections commands in your backend
service", "Amazon API Gateway quotas and important notes"; close codes and reasons are those that
are seen there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import unquote

import uvicorn

from tests.support.waiting import PATIENCE, wait_until

STAGE: Final = "dev"
FRAME_BYTES: Final = 32 * 1024
MESSAGE_BYTES: Final = 128 * 1024
PATH: Final = f"/{STAGE}/@connections/"
TOO_BIG: Final = (1009, "Message too long")
NORMALLY: Final = (1000, "Connection Closed Normally")
GOING_AWAY: Final = (1001, "Going away")

Event = dict[str, Any]
Invoke = Callable[[Event], Any]


@dataclass
class _Socket:
    """An open socket. `silent` is one whose end API Gateway does not report."""

    id: str
    connected_at: int
    send: Callable[[dict[str, Any]], Any]
    established: bool = False
    silent: bool = False
    sent: list[str] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class WebSocketApi:
    """Listens on a free loopback port; each event is handed to `invoke` in a thread, at once.

    `events` are those that were handed over.
    """

    def __init__(self, invoke: Invoke) -> None:
        self.events: list[Event] = []
        self.sockets: dict[str, _Socket] = {}
        self.refuse_posts = 0  # that are answered with 429 before one is taken
        self._invoke = invoke
        self._threads = ThreadPoolExecutor(4, "gateway")
        self._tasks: set[asyncio.Future[Any]] = set()
        config = uvicorn.Config(
            self._serve,
            host="127.0.0.1",
            port=0,
            log_level="critical",
            lifespan="off",
            interface="asgi3",
            ws_max_size=MESSAGE_BYTES,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_until(lambda: self._server.started)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}/{STAGE}"

    def _run(self) -> None:
        with asyncio.Runner() as runner:
            self._loop = runner.get_loop()
            runner.run(self._server.serve())

    def drop(self, connection_id: str, *, silent: bool = False) -> None:
        """Close a socket as an idle one is closed; `silent`, the API is not told."""
        self.sockets[connection_id].silent = silent
        closing = self._close(connection_id, *GOING_AWAY)
        asyncio.run_coroutine_threadsafe(closing, self._loop).result(PATIENCE)

    def close(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._threads.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        else:
            await self._manage(scope, receive, send)

    async def _connect(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        connection_id = secrets.token_urlsafe(11)[:15].replace("-", "x") + "="
        socket = _Socket(connection_id, round(time.time() * 1000), send)
        self.sockets[connection_id] = socket
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(_as_sent(name.decode()), []).append(value.decode())
        answer = await self._hand_over(socket, "$connect", "CONNECT", headers)
        if answer is None or answer["statusCode"] // 100 != 2:
            del self.sockets[connection_id]
            status = 502 if answer is None else answer["statusCode"]
            await send({"type": "websocket.http.response.start", "status": status, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})
            return
        protocol = (answer.get("headers") or {}).get("Sec-WebSocket-Protocol")
        await send({"type": "websocket.accept", "subprotocol": protocol})
        socket.established = True
        await self._listen(socket, receive)

    async def _listen(self, socket: _Socket, receive: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                break
            text = message.get("text")
            if text is None or len(text.encode()) > FRAME_BYTES:
                await self._close(socket.id, *TOO_BIG)
                continue
            handing = asyncio.ensure_future(self._tell(socket, text))
            self._tasks.add(handing)
            handing.add_done_callback(self._tasks.discard)
        self.sockets.pop(socket.id, None)
        if not socket.silent:
            code, reason = message["code"], message.get("reason") or ""
            extra = {"disconnectStatusCode": code, "disconnectReason": reason}
            await self._hand_over(socket, "$disconnect", "DISCONNECT", {}, extra)

    async def _tell(self, socket: _Socket, text: str) -> None:
        """Hand a message over; API Gateway itself tells the client when the function fails.

        A socket's messages are handed over one after the other, as tests rely on it.
        """
        async with socket.turn:
            answer = await self._hand_over(socket, "$default", "MESSAGE", None, body=text)
        if answer is None:
            error = {"message": "Internal server error", "connectionId": socket.id}
            await socket.send({"type": "websocket.send", "text": json.dumps(error)})

    async def _hand_over(
        self,
        socket: _Socket,
        route: str,
        kind: str,
        headers: dict[str, list[str]] | None,
        context: dict[str, Any] | None = None,
        body: str | None = None,
    ) -> Any:
        event: Event = {
            "requestContext": {
                "routeKey": route,
                "eventType": kind,
                "messageDirection": "IN",
                "connectionId": socket.id,
                "connectedAt": socket.connected_at,
                "requestTimeEpoch": round(time.time() * 1000),
                "requestTime": "31/Jan/2026:12:00:00 +0000",
                "requestId": secrets.token_urlsafe(11),
                "extendedRequestId": secrets.token_urlsafe(11),
                "domainName": "WebsocketsApi.execute-api.eu-central-1.amazonaws.com",
                "stage": STAGE,
                "apiId": "WebsocketsApi",
                "identity": {"sourceIp": "203.0.113.9"},
                **(context or {}),
            },
            "isBase64Encoded": False,
        }
        if headers is not None:
            event["headers"] = {name: values[-1] for name, values in headers.items()}
            event["multiValueHeaders"] = headers
        if body is not None:
            event["requestContext"]["messageId"] = secrets.token_urlsafe(11)
            event["body"] = body
        self.events.append(event)
        with contextlib.suppress(Exception):
            return await self._loop.run_in_executor(self._threads, self._invoke, event)
        return None

    async def _manage(self, scope: Any, receive: Any, send: Any) -> None:
        socket = self.sockets.get(unquote(scope["path"]).removeprefix(PATH))
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message.get("body", b"")
        if socket is None or not socket.established:
            await _answer(send, 410, "GoneException")
        elif scope["method"] == "DELETE":
            await self._close(socket.id, *NORMALLY)
            await _answer(send, 204)
        elif scope["method"] == "GET":
            await _answer(send, 200)
        elif len(body) > MESSAGE_BYTES:
            await _answer(send, 413, "PayloadTooLargeException")
        elif self.refuse_posts > 0:
            self.refuse_posts -= 1
            await _answer(send, 429, "LimitExceededException")
        else:
            socket.sent.append(body.decode())
            await socket.send({"type": "websocket.send", "text": body.decode()})
            await _answer(send, 200)

    async def _close(self, connection_id: str, code: int, reason: str) -> None:
        socket = self.sockets.pop(connection_id, None)
        if socket:
            await socket.send({"type": "websocket.close", "code": code, "reason": reason})


def _as_sent(name: str) -> str:
    """A header's name as API Gateway writes it, which ASGI gives in lower case."""
    return "-".join(part.capitalize() for part in name.split("-")).replace("Websocket", "WebSocket")


async def _answer(send: Any, status: int, error: str | None = None) -> None:
    body = json.dumps({"message": error}).encode() if error else b"" if status == 204 else b"{}"
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if error:
        headers.append((b"x-amzn-errortype", error.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
