"""Streams over HTTP: how they end, and clients that do not read."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.domain.api_key import hash_key
from core.domain.label import Label
from embedded.http import sse
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.live_server import CountedChecks, LiveServer
from tests.support.services.process import ServiceProcess
from tests.support.waiting import PATIENCE, wait_until

LABELLED = """
subscription { blobEvents(filter: {kinds: [LABELLED]}) { blob { id labels { name } } } }
"""
SSE = {"accept": "text/event-stream"}
MULTIPART = {"accept": "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"}


@pytest.fixture
def server(stores: EmbeddedStores) -> Iterator[LiveServer]:
    with LiveServer(stores) as running:
        yield running


def listen(server: LiveServer, accept: dict[str, str], **headers: str) -> socket.socket:
    """Subscribe on a raw socket; return it when the service listens."""
    body = json.dumps({"query": LABELLED}).encode()
    lines = {
        "Host": server.address,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **accept,
        **headers,
    }
    heard = len(server.pubsub)
    connection = socket.create_connection(tuple(server.address.split(":")))  # type: ignore[arg-type]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    connection.sendall(f"POST /graphql HTTP/1.1\r\n{head}\r\n".encode() + body)
    wait_until(lambda: len(server.pubsub) == heard + 1)
    return connection


def rest(connection: socket.socket) -> bytes:
    """Read until the end."""
    connection.settimeout(PATIENCE)
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        if received.endswith(b"0\r\n\r\n"):
            break
    return received


@pytest.mark.parametrize("accept", [SSE, MULTIPART], ids=["sse", "multipart"])
def test_disconnected_client_leaves_no_listener_and_no_task(
    server: LiveServer, accept: dict[str, str]
) -> None:
    before = server.tasks()
    listen(server, accept).close()
    wait_until(lambda: len(server.pubsub) == 0 and server.tasks() == before)


def test_stop_ends_streams_with_an_error_and_their_last_message(tmp_path: Path) -> None:
    """At SIGTERM, with either transport; the error says to subscribe again."""
    service = ServiceProcess(tmp_path).start()
    target = service.create_upload("PNG")
    query = (
        f'subscription {{ blobEvents(filter: {{blobIds: ["{target["blob_id"]}"]}}) {{ kind }} }}'
    )
    url, body = f"{service.url}/graphql", {"query": query}
    with (
        httpx.stream("POST", url, json=body, headers=SSE, timeout=PATIENCE) as sse_answer,
        httpx.stream("POST", url, json=body, headers=MULTIPART, timeout=PATIENCE) as multipart,
    ):
        streams = [sse_answer.iter_text(), multipart.iter_text()]
        begun = [read_until(stream, '"CREATED"') for stream in streams]
        assert service.stop() == 0
        events, parts = (
            text + "".join(stream) for text, stream in zip(begun, streams, strict=True)
        )
    error = {
        "message": "The service is stopping. Subscribe again in a moment.",
        "extensions": {"code": "SERVICE_UNAVAILABLE"},
    }
    *_, last, end = events.removesuffix("\n\n").split("\n\n")
    assert last.startswith("event: next\ndata: ")
    assert json.loads(last.partition("data: ")[2]) == {"errors": [error], "hasNext": False}
    assert end == "event: complete\ndata: "
    assert parts.endswith("\r\n--graphql--\r\n")
    bodies = [part.partition("\r\n\r\n")[2] for part in parts.split("\r\n--graphql")]
    assert json.loads([body for body in bodies if body][-1]) == {"payload": None, "errors": [error]}


def read_until(stream: Iterator[str], text: str) -> str:
    received = ""
    while text not in received:
        received += next(stream)
    return received


def test_revoked_key_ends_the_stream(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next check, with the reason; a client that connects again gets it too."""
    monkeypatch.setattr(sse, "RECHECK_SECONDS", 0.05)
    key = stores.key_for("anna")
    checks = CountedChecks(stores)
    with LiveServer(stores, None, services={"authenticate": checks}) as server:
        headers = {"Authorization": f"Bearer {key}"}
        connection = listen(server, SSE, **headers)
        wait_until(lambda: checks.number > 2)
        assert len(server.pubsub) == 1
        stores.owners.remove_key(hash_key(key))
        received = rest(connection)
        assert b'"code": "UNAUTHENTICATED"' in received
        assert b"event: complete" in received
        connection.close()
        again = httpx.post(
            f"http://{server.address}/graphql", json={"query": LABELLED}, headers={**SSE, **headers}
        )
        assert again.status_code == 401
        assert again.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("accept", [SSE, MULTIPART], ids=["sse", "multipart"])
def test_client_that_does_not_read_is_disconnected(
    stores: EmbeddedStores, accept: dict[str, str]
) -> None:
    """After the send timeout, whatever waits for it."""
    wide = tuple(Label(f"Label {n} {'x' * 2000}", 90.0) for n in range(30))
    with LiveServer(stores, send_timeout=0.5) as server:
        connection = listen(server, accept)
        until = time.monotonic() + PATIENCE
        while len(server.pubsub):
            assert time.monotonic() < until
            stores.labelled("local", *wide)
        connection.close()
        wait_until(lambda: not server._server.server_state.connections)


def test_event_source_can_subscribe_by_get(server: LiveServer) -> None:
    """Mutations are not allowed by GET."""
    url = f"http://{server.address}/graphql"
    with httpx.stream("GET", url, params={"query": "{ __typename }"}, headers=SSE) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-length" not in answer.headers
        text = answer.read().decode()
    assert text.startswith("event: next\ndata: ")
    assert text.endswith("event: complete\ndata: \n\n")
    assert '"data":{"__typename":"Query"}' in text
    mutation = "mutation { rotateWebhookSecret { __typename } }"
    refused = httpx.get(url, params={"query": mutation}, headers=SSE)
    assert refused.status_code == 405


def test_subscription_without_a_streaming_accept_header_is_an_error(server: LiveServer) -> None:
    """The message names the header, and nothing is subscribed."""
    answer = httpx.post(f"http://{server.address}/graphql", json={"query": LABELLED})
    assert answer.status_code == 400
    assert "Server-Sent Events" in answer.json()["errors"][0]["message"]
    assert len(server.pubsub) == 0
