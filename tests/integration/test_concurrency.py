"""Limits of what is in progress, over real sockets. Each test makes one limit small."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from embedded.settings import Settings
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.live_server import LiveServer
from tests.support.waiting import PATIENCE, wait_until

SUBSCRIBE = {"query": "subscription { blobEvents { id } }"}
QUERY = {"query": "{ __typename }"}
SSE = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'
CLIENTS = ("192.0.2.1", "192.0.2.2")

Serve = Callable[..., LiveServer]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(stores: EmbeddedStores, stack: ExitStack) -> Serve:
    """Start a server with the given settings, which has no owner without keys."""
    return lambda **given: stack.enter_context(
        LiveServer(stores, given.pop("owner", "local"), settings=Settings(**given))
    )


def unfinished(stack: ExitStack, server: LiveServer, *fields: str) -> socket.socket:
    """Send a request whose body does not end; it stays in progress until the socket is closed."""
    before = server.concurrency.requests.total
    host, port = server.address.split(":")
    client = stack.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE))
    lines = [
        *("POST /graphql HTTP/1.1", "Host: localhost", "Accept: application/json"),
        *("Content-Type: application/json", "Content-Length: 1000", *fields, "", "{"),
    ]
    client.sendall("\r\n".join(lines).encode())
    wait_until(lambda: server.concurrency.requests.total == before + 1)
    return client


def post(server: LiveServer, body: Any = QUERY, **headers: str) -> httpx.Response:
    given = {"accept": "application/json", **headers}
    return httpx.post(
        f"http://{server.address}/graphql", json=body, headers=given, timeout=PATIENCE
    )


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["retry-after"] == "5"
    return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


BUSY = (503, "SERVICE_UNAVAILABLE")
TOO_MANY = (429, "TOO_MANY_REQUESTS")


def test_requests_too_many_in_all_are_refused_until_one_ends(
    serve: Serve, stack: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    """The service reports its health all the same."""
    server = serve(max_concurrent_requests=2)
    first, _ = (unfinished(stack, server) for _ in range(2))
    assert code_of(post(server)) == BUSY
    assert httpx.get(f"http://{server.address}/healthz", timeout=PATIENCE).status_code == 200
    first.close()
    wait_until(lambda: server.concurrency.requests.total == 1)
    assert post(server).status_code == 200
    (line,) = (each for each in caplog.records if each.message == "limit exceeded, refused")
    assert (vars(line)["kind"], vars(line)["limit"]) == ("requests", "total")


def test_address_behind_a_proxy_has_a_limit_of_requests(serve: Serve, stack: ExitStack) -> None:
    """Not the proxy, which is on this machine."""
    server = serve(concurrent_requests_per_address=1)
    for _ in range(2):
        unfinished(stack, server)
    unfinished(stack, server, f"X-Forwarded-For: 203.0.113.5, {CLIENTS[0]}")
    refused = post(server, **{"x-forwarded-for": CLIENTS[0]})
    assert code_of(refused) == TOO_MANY
    assert post(server, **{"x-forwarded-for": CLIENTS[1]}).status_code == 200


def test_owner_has_a_limit_of_requests(
    serve: Serve, stack: ExitStack, stores: EmbeddedStores
) -> None:
    """Over all its keys."""
    keys = [f"Bearer {stores.key_for(owner)}" for owner in ("anna", "anna", "bert")]
    server = serve(concurrent_requests_per_owner=1, owner=None)
    unfinished(stack, server, f"Authorization: {keys[0]}")
    # The unfinished request counts for its owner once its key was read.
    wait_until(lambda: server.concurrency.requests._by_owner["anna"] == 1)
    assert code_of(post(server, authorization=keys[1])) == TOO_MANY
    assert post(server, authorization=keys[2]).status_code == 200


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
@pytest.mark.parametrize(
    ("limit", "refusal"),
    [
        ("max_subscriptions", BUSY),
        ("subscriptions_per_address", TOO_MANY),
        ("subscriptions_per_owner", TOO_MANY),
    ],
)
def test_streams_too_many_are_refused_until_one_ends(
    serve: Serve, accept: str, limit: str, refusal: tuple[int, str]
) -> None:
    """A stream is a subscription, and no longer a request in progress."""
    server = serve(**{limit: 1})
    headers = {"accept": accept, "x-forwarded-for": CLIENTS[0]}
    url = f"http://{server.address}/graphql"
    with httpx.stream("POST", url, json=SUBSCRIBE, headers=headers, timeout=PATIENCE):
        wait_until(lambda: server.concurrency.subscriptions.total == 1)
        assert server.concurrency.requests.total == 0
        assert code_of(post(server, SUBSCRIBE, **headers)) == refusal
        assert post(server).status_code == 200
    wait_until(lambda: server.concurrency.subscriptions.total == 0)
    with httpx.stream("POST", url, json=SUBSCRIBE, headers=headers, timeout=PATIENCE) as again:
        assert again.status_code == 200


def socket_to(
    stack: ExitStack, server: LiveServer, address: str = CLIENTS[0], key: str | None = None
) -> ClientConnection:
    client = stack.enter_context(
        connect(
            f"ws://{server.address}/graphql",
            subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
            compression=None,
            additional_headers={"x-forwarded-for": address},
        )
    )
    payload = {"authorization": f"Bearer {key}"} if key else {}
    client.send(json.dumps({"type": "connection_init", "payload": payload}))
    return client


def ask(client: ClientConnection, operation: str, payload: dict[str, str]) -> None:
    client.send(json.dumps({"type": "subscribe", "id": operation, "payload": payload}))


def hear(client: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(client.recv(timeout=PATIENCE))
    return message


@pytest.mark.parametrize(
    ("limit", "refusal"),
    [
        ("max_subscriptions", "SERVICE_UNAVAILABLE"),
        ("subscriptions_per_address", "TOO_MANY_REQUESTS"),
        ("subscriptions_per_owner", "TOO_MANY_REQUESTS"),
    ],
)
def test_subscriptions_too_many_on_a_websocket_are_errors_until_one_ends(
    serve: Serve, stack: ExitStack, limit: str, refusal: str
) -> None:
    server = serve(**{limit: 1})
    client = socket_to(stack, server)
    assert hear(client) == {"type": "connection_ack"}
    ask(client, "1", SUBSCRIBE)
    ask(client, "2", SUBSCRIBE)
    refused = hear(client)
    assert (refused["type"], refused["id"]) == ("error", "2")
    assert refused["payload"][0]["extensions"] == {"code": refusal, "retryAfter": 5}
    ask(client, "3", QUERY)
    assert [hear(client)["type"] for _ in range(2)] == ["next", "complete"]
    client.send(json.dumps({"type": "complete", "id": "1"}))
    wait_until(lambda: server.concurrency.subscriptions.total == 0)
    ask(client, "4", SUBSCRIBE)
    wait_until(lambda: server.concurrency.subscriptions.total == 1)
    client.close()
    wait_until(lambda: server.concurrency.subscriptions.total == 0)


def test_operations_on_websockets_count_as_requests(serve: Serve, stack: ExitStack) -> None:
    server = serve(max_concurrent_requests=1)
    client = socket_to(stack, server)
    assert hear(client) == {"type": "connection_ack"}
    unfinished(stack, server)
    ask(client, "1", QUERY)
    assert hear(client)["payload"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"


def test_subscription_that_is_completed_at_once_leaves_no_count(
    serve: Serve, stack: ExitStack
) -> None:
    """Its task may be cancelled before it ran."""
    server = serve()
    client = socket_to(stack, server)
    for number in range(20):
        ask(client, str(number), SUBSCRIBE)
        client.send(json.dumps({"type": "complete", "id": str(number)}))
    client.send(json.dumps({"type": "ping"}))
    assert [hear(client)["type"] for _ in range(2)] == ["connection_ack", "pong"]
    wait_until(lambda: server.concurrency.subscriptions.total == 0)


def test_owner_has_a_limit_of_websockets(
    serve: Serve, stack: ExitStack, stores: EmbeddedStores
) -> None:
    """The close asks the client to try again later."""
    anna, bert = stores.key_for("anna"), stores.key_for("bert")
    server = serve(connections_per_owner=1, owner=None)
    first = socket_to(stack, server, key=anna)
    assert hear(first) == {"type": "connection_ack"}
    with pytest.raises(ConnectionClosed) as closed:
        hear(socket_to(stack, server, CLIENTS[1], anna))
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1013
    assert "This owner has 1 connections" in closed.value.rcvd.reason
    assert hear(socket_to(stack, server, key=bert)) == {"type": "connection_ack"}
    first.close()
    wait_until(lambda: "anna" not in server.concurrency.sockets._by_owner)
    assert hear(socket_to(stack, server, key=anna)) == {"type": "connection_ack"}


def test_address_behind_a_proxy_has_a_limit_of_websockets(serve: Serve, stack: ExitStack) -> None:
    server = serve(connections_per_address=1)
    socket_to(stack, server)
    with pytest.raises(InvalidStatus) as refused:
        socket_to(stack, server)
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["retry-after"] == "5"
    socket_to(stack, server, CLIENTS[1])
