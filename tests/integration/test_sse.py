"""Streams over HTTP: their ends, and clients that take in nothing."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from core.domain.api_key import hash_key
from core.domain.label import Label
from embedded.http import sse
from tests.support.embedded_stores import EmbeddedStores
from tests.support.live_server import LiveServer
from tests.support.waiting import PATIENCE, wait_until

LABELLED = "subscription { blobLabelled { id labels { name } } }"
SSE = {"accept": "text/event-stream"}
MULTIPART = {"accept": "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"}


@pytest.fixture
def server(stores: EmbeddedStores) -> Iterator[LiveServer]:
    with LiveServer(stores) as running:
        yield running


def listen(server: LiveServer, accept: dict[str, str], **headers: str) -> socket.socket:
    """Subscribe on a bare socket; return it once the subscription is heard."""
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
def test_a_client_that_goes_leaves_nothing_behind(
    server: LiveServer, accept: dict[str, str]
) -> None:
    """No listener and no task."""
    before = server.tasks()
    listen(server, accept).close()
    wait_until(lambda: len(server.pubsub) == 0 and server.tasks() == before)


@pytest.mark.parametrize("accept", [SSE, MULTIPART], ids=["sse", "multipart"])
def test_stopping_is_prompt_and_says_not_that_it_is_all(
    server: LiveServer, accept: dict[str, str]
) -> None:
    """The answer is whole, the subscription is not: clients come back."""
    connection = listen(server, accept)
    server.stop()
    received = rest(connection)
    assert received.endswith(b"0\r\n\r\n")
    assert b"event: complete" not in received
    assert b"--graphql--" not in received
    connection.close()


def test_a_revoked_key_ends_the_stream(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next look; coming back, the client is told why."""
    monkeypatch.setattr(sse, "RECHECK_SECONDS", 0.05)
    key = stores.key_for("anna")
    with LiveServer(stores, None) as server:
        headers = {"Authorization": f"Bearer {key}"}
        connection = listen(server, SSE, **headers)
        time.sleep(0.2)
        assert len(server.pubsub) == 1
        stores.owners.remove_key(hash_key(key))
        assert b"event: complete" not in rest(connection)
        connection.close()
        again = httpx.post(
            f"http://{server.address}/graphql", json={"query": LABELLED}, headers={**SSE, **headers}
        )
        assert again.status_code == 401
        assert again.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("accept", [SSE, MULTIPART], ids=["sse", "multipart"])
def test_a_client_that_does_not_read_is_dropped(
    stores: EmbeddedStores, accept: dict[str, str]
) -> None:
    """After its patience, whatever is kept for it meanwhile."""
    wide = tuple(Label(f"Label {n} {'x' * 2000}", 90.0) for n in range(30))
    with LiveServer(stores, send_timeout=0.5) as server:
        connection = listen(server, accept)
        until = time.monotonic() + PATIENCE
        while len(server.pubsub):
            assert time.monotonic() < until
            stores.labelled("local", *wide)
        connection.close()
        wait_until(lambda: not server._server.server_state.connections)


def test_a_browsers_event_source_is_served(server: LiveServer) -> None:
    """GET as well, but no mutation by it."""
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


def test_who_accepts_no_stream_is_told_what_to_do(server: LiveServer) -> None:
    """And subscribes to nothing."""
    answer = httpx.post(f"http://{server.address}/graphql", json={"query": LABELLED})
    assert answer.status_code == 400
    assert "Server-Sent Events" in answer.json()["errors"][0]["message"]
    assert len(server.pubsub) == 0
