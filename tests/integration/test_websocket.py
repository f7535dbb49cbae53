"""GraphQL over WebSocket with a client that breaks rules."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from api.errors import TooManyRequests
from core.domain.api_key import hash_key
from core.domain.blob import expire
from core.domain.label import Label
from embedded.http import sse
from embedded.http.pubsub import MAX_WAITING
from tests.support.blobs import uploaded
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.live_server import CountedChecks, LiveServer
from tests.support.waiting import PATIENCE, wait_until

FOLLOW = """
subscription ($id: ID!) {
  blobEvents(filter: {blobIds: [$id]}) { kind blob { id status } }
}
"""
LABELLED = """
subscription { blobEvents(filter: {kinds: [LABELLED]}) { blob { id labels { name aliases } } } }
"""
NOWHERE = "01KYAPP62SWHJ3Z8EFVNKPPWB6"
Open = Callable[..., ClientConnection]


@pytest.fixture
def server(stores: EmbeddedStores) -> Iterator[LiveServer]:
    with LiveServer(stores) as running:
        yield running


@pytest.fixture
def opened() -> Iterator[Open]:
    """Connect to a server; `begun` sends connection_init too."""
    with ExitStack() as stack:

        def open_(server: LiveServer, *, begun: bool = True, **options: Any) -> ClientConnection:
            given = {"subprotocols": ["graphql-transport-ws"], "compression": None, **options}
            client = stack.enter_context(connect(f"ws://{server.address}/graphql", **given))
            if begun:
                say(client, "connection_init")
                assert hear(client) == {"type": "connection_ack"}
            return client

        yield open_


def say(client: ClientConnection, kind: str, **parts: Any) -> None:
    client.send(json.dumps({"type": kind, **parts}))


def subscribe(client: ClientConnection, operation: str, query: str, **variables: Any) -> None:
    say(client, "subscribe", id=operation, payload={"query": query, "variables": variables})


def hear(client: ClientConnection, seconds: float = PATIENCE) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(client.recv(timeout=seconds))
    return told


def closed(client: ClientConnection) -> tuple[int, str]:
    """Wait for the close; return its code and reason, and ignore earlier messages."""
    try:
        while True:
            client.recv(timeout=PATIENCE)
    except ConnectionClosed as end:
        received = end.rcvd
    assert received is not None
    return received.code, received.reason


def test_completed_subscription_leaves_nothing(
    server: LiveServer, stores: EmbeddedStores, opened: Open
) -> None:
    """Its id may be used again, and no message follows for it."""
    blob = stores.awaiting("local")
    client = opened(server)
    for _ in range(3):
        subscribe(client, "1", FOLLOW, id=blob.id)
        assert hear(client)["payload"]["data"]["blobEvents"]["blob"]["status"] == "AWAITING_UPLOAD"
        assert len(server.pubsub) == 1
        say(client, "complete", id="1")
        wait_until(lambda: len(server.pubsub) == 0)
    stores.saved(expire(blob, stores.clock()))
    say(client, "ping")
    assert hear(client) == {"type": "pong"}


def test_deletion_completes_the_blobs_subscription(
    server: LiveServer, stores: EmbeddedStores, opened: Open
) -> None:
    """With its event, and without an error."""
    blob = stores.awaiting("local")
    client = opened(server)
    subscribe(client, "1", FOLLOW, id=blob.id)
    hear(client)
    stores.blobs.delete(blob, stores.clock())
    event = hear(client)["payload"]["data"]["blobEvents"]
    assert event == {"kind": "DELETED", "blob": None}
    assert hear(client) == {"type": "complete", "id": "1"}


def test_change_during_the_first_read_is_sent_once(
    server: LiveServer, stores: EmbeddedStores, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listening begins before the read, and states read already are not sent again."""
    blob = stores.awaiting("local")
    find = stores.blobs.find

    def find_and_change(*given: Any) -> Any:
        found = find(*given)
        stores.saved(uploaded(blob))
        return found

    monkeypatch.setattr(stores.blobs, "find", find_and_change)
    client = opened(server)
    subscribe(client, "1", FOLLOW, id=blob.id)
    told = [hear(client)["payload"]["data"]["blobEvents"]["blob"]["status"] for _ in range(2)]
    assert told == ["AWAITING_UPLOAD", "LABELLING"]


@pytest.mark.parametrize("foreign", [True, False])
def test_blob_of_another_owner_looks_absent(
    stores: EmbeddedStores, opened: Open, foreign: bool
) -> None:
    """The messages are equal except for the id, and its changes are not sent."""
    blob = stores.awaiting("bert")
    with LiveServer(stores, "anna") as server:
        client = opened(server)
        asked = blob.id if foreign else NOWHERE
        subscribe(client, "2", LABELLED)
        wait_until(lambda: len(server.pubsub) == 1)
        subscribe(client, "1", FOLLOW, id=asked)
        message = json.dumps(hear(client)).replace(asked, "ID")
        assert "You have no blob 'ID'." in message
        assert hear(client) == {"type": "complete", "id": "1"}
        stores.saved(uploaded(blob))
        stores.labelled("bert")
        own = stores.labelled("anna")
        assert hear(client)["payload"]["data"]["blobEvents"]["blob"]["id"] == own.id


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("x", 4400),
        ("[" * 100_000, 4400),
        ("null", 4400),
        (b'{"type":"ping"}', 4400),
        ('{"type":"hello"}', 4400),
        ('{"type":"subscribe","id":"1"}', 4400),
        ('{"type":"subscribe","id":"","payload":{"query":"{ __typename }"}}', 4400),
        ('{"type":"subscribe","id":1,"payload":{"query":"{ __typename }"}}', 4400),
        ('{"type":"subscribe","id":"1","payload":{"query":1}}', 4400),
        ('{"type":"subscribe","id":"1","payload":{"variables":[]}}', 4400),
        ('{"type":"connection_init"}', 4429),
        ("x" * 1_000_001, 1009),
    ],
    ids=lambda value: str(value)[:40],
)
def test_protocol_error_closes_the_socket(
    server: LiveServer, opened: Open, sent: str | bytes, code: int
) -> None:
    """With the protocol's code."""
    client = opened(server)
    client.send(sent)
    assert closed(client)[0] == code


def test_operation_before_connection_init_is_unauthorized(server: LiveServer, opened: Open) -> None:
    """Pings are answered even then."""
    client = opened(server, begun=False)
    say(client, "ping")
    assert hear(client) == {"type": "pong"}
    subscribe(client, "1", "{ __typename }")
    assert closed(client) == (4401, "Unauthorized")


def test_duplicate_operation_id_closes_the_socket(
    server: LiveServer, stores: EmbeddedStores, opened: Open
) -> None:
    """Code 4409."""
    client = opened(server)
    for _ in range(2):
        subscribe(client, "1", LABELLED)
    assert closed(client) == (4409, "Subscriber for 1 already exists")
    wait_until(lambda: len(server.pubsub) == 0)


def test_client_without_connection_init_is_disconnected(
    stores: EmbeddedStores, opened: Open
) -> None:
    """Code 4408."""
    with LiveServer(stores, init_seconds=0.1) as server:
        client = opened(server, begun=False)
        assert closed(client) == (4408, "Connection initialisation timeout")


def test_other_subprotocol_is_rejected(server: LiveServer, opened: Open) -> None:
    """Neither the old one nor none is accepted."""
    for offered in (["graphql-ws"], None):
        client = opened(server, begun=False, subprotocols=offered)
        assert closed(client)[0] == 4406


def test_connection_has_at_most_a_hundred_operations(server: LiveServer, opened: Open) -> None:
    """One more gets an error, and the others go on."""
    client = opened(server)
    for number in range(101):
        subscribe(client, str(number), LABELLED)
    refused = hear(client)
    assert (refused["type"], refused["id"]) == ("error", "100")
    assert refused["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    wait_until(lambda: len(server.pubsub) == 100)


@pytest.mark.parametrize("foreign", ["http://evil.example", "null", "http://localhost:1"])
def test_page_of_another_origin_is_rejected(
    stores: EmbeddedStores, opened: Open, foreign: str
) -> None:
    """With 403. Listed origins, our own, and clients that are no pages are accepted."""
    with LiveServer(stores, origins=("https://app.example",)) as server:
        with pytest.raises(InvalidStatus) as refused:
            opened(server, origin=foreign)
        assert refused.value.response.status_code == 403
        for welcome in (None, "https://app.example", f"http://{server.address}"):
            opened(server, origin=welcome)


@pytest.mark.parametrize("way", ["payload", "PAYLOAD", "header", "payload before header"])
def test_key_comes_with_connection_init_or_the_handshake(
    stores: EmbeddedStores, opened: Open, way: str
) -> None:
    """The header's name has any case. The message takes precedence."""
    key = f"Bearer {stores.key_for('anna')}"
    header = {"header": key, "payload before header": "Bearer lbl_wrong"}.get(way)
    payload = (
        {} if way == "header" else {"AUTHORIZATION" if way == "PAYLOAD" else "authorization": key}
    )
    blob = stores.awaiting("anna")
    with LiveServer(stores, None) as server:
        headers = {"Authorization": header} if header else {}
        client = opened(server, begun=False, additional_headers=headers)
        say(client, "connection_init", payload=payload)
        assert hear(client) == {"type": "connection_ack"}
        subscribe(client, "1", "{ blobs { nodes { id } } }")
        assert hear(client)["payload"]["data"] == {"blobs": {"nodes": [{"id": blob.id}]}}


@pytest.mark.parametrize(
    "payload", [None, {}, {"authorization": "Bearer lbl_x"}, {"authorization": 1}]
)
def test_invalid_key_closes_the_socket(stores: EmbeddedStores, opened: Open, payload: Any) -> None:
    """Code 4403, after which clients ask for another key."""
    with LiveServer(stores, None) as server:
        client = opened(server, begun=False)
        say(client, "connection_init", payload=payload)
        assert closed(client)[0] == 4403


def test_revoked_key_closes_the_socket(
    stores: EmbeddedStores, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next check."""
    monkeypatch.setattr(sse, "RECHECK_SECONDS", 0.05)
    key = stores.key_for("anna")
    checks = CountedChecks(stores)
    with LiveServer(stores, None, services={"authenticate": checks}) as server:
        client = opened(server, begun=False)
        say(client, "connection_init", payload={"authorization": f"Bearer {key}"})
        hear(client)
        subscribe(client, "1", LABELLED)
        wait_until(lambda: len(server.pubsub) == 1)
        checked = checks.number
        wait_until(lambda: checks.number > checked + 1)
        stores.owners.remove_key(hash_key(key))
        assert closed(client) == (4403, "Forbidden: the key has expired or was revoked")
        wait_until(lambda: len(server.pubsub) == 0)


def test_document_that_is_not_allowed_is_rejected(stores: EmbeddedStores, opened: Open) -> None:
    """The list of allowed documents applies here too."""
    with LiveServer(stores, documents={"allowed": {}}) as server:
        client = opened(server)
        subscribe(client, "1", "{ __typename }")
        told = hear(client)
        assert told["type"] == "error"
        assert told["payload"][0]["extensions"]["code"] == "DOCUMENT_NOT_ALLOWED"


def test_disconnected_client_leaves_no_listener_and_no_task(
    server: LiveServer, stores: EmbeddedStores, opened: Open
) -> None:
    """Whether it closes the socket or the connection breaks."""
    before = server.tasks()
    for cut in (False, True):
        client = opened(server)
        for number in range(5):
            subscribe(client, str(number), LABELLED)
        wait_until(lambda: len(server.pubsub) == 5)
        if cut:
            client.socket.shutdown(socket.SHUT_RDWR)
        else:
            client.close()
        wait_until(lambda: len(server.pubsub) == 0 and server.tasks() == before)


def test_stop_closes_sockets_at_once(server: LiveServer, opened: Open) -> None:
    """The close code says that the service restarts."""
    client = opened(server)
    subscribe(client, "1", LABELLED)
    wait_until(lambda: len(server.pubsub) == 1)
    server.stop()
    assert closed(client)[0] == 1012


def test_client_that_does_not_read_is_disconnected(stores: EmbeddedStores, opened: Open) -> None:
    """Its waiting messages are bounded meanwhile, and others get theirs."""
    wide = tuple(Label(f"Label {n} {'x' * 2000}", 90.0) for n in range(30))
    with LiveServer(stores, send_timeout=0.5) as server:
        deaf = opened(server, max_queue=1)
        deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        keen = opened(server)
        for client in (deaf, keen):
            subscribe(client, "1", LABELLED)
        wait_until(lambda: len(server.pubsub) == 2)
        told = 0
        until = time.monotonic() + PATIENCE
        while len(server.pubsub) == 2:
            assert time.monotonic() < until
            stores.labelled("local", *wide)
            assert hear(keen)["type"] == "next"
            told += 1
            assert max(server.call(lambda: _waiting(server))) <= MAX_WAITING
        assert told > 10
        stores.labelled("local", *wide)
        assert hear(keen)["type"] == "next"
        deaf.socket.close()
        wait_until(lambda: len(server._server.server_state.connections) == 1)


def _waiting(server: LiveServer) -> list[int]:
    return [
        listener._waiting.qsize()
        for listeners in server.pubsub._listeners.values()
        for listener in listeners
    ]


def test_change_wakes_only_listeners_of_its_topics(
    server: LiveServer, stores: EmbeddedStores, opened: Open
) -> None:
    """A thousand others stay asleep."""
    blobs = [stores.awaiting("local") for _ in range(100)]
    for _ in range(10):
        client = opened(server)
        for number, blob in enumerate(blobs):
            subscribe(client, str(number), FOLLOW, id=blob.id)
        for _ in blobs:
            hear(client)
    assert len(server.pubsub) == 1000
    delivered: list[str] = []
    server.pubsub._deliver = lambda topic, _: delivered.append(topic)  # type: ignore[method-assign]
    stores.labelling("local")
    stores.saved(uploaded(blobs[0]))
    wait_until(lambda: delivered)
    assert delivered == [f"blob#{blobs[0].id}"]


def test_operations_on_a_socket_count_against_the_limit_of_their_key(
    stores: EmbeddedStores, opened: Open
) -> None:
    admitted: list[str | None] = []

    def admit(authorization: str | None) -> None:
        if len(admitted) == 1:
            raise TooManyRequests("Too many", 7)
        admitted.append(authorization)

    key = stores.key_for("anna")
    with LiveServer(stores, None, services={"admit": admit}) as server:
        client = opened(server, begun=False)
        say(client, "connection_init", payload={"Authorization": f"Bearer {key}"})
        assert hear(client) == {"type": "connection_ack"}
        subscribe(client, "1", "{ __typename }")
        assert [hear(client)["type"] for _ in range(2)] == ["next", "complete"]
        subscribe(client, "2", "{ __typename }")
        (error,) = hear(client)["payload"]
        assert error["extensions"] == {"code": "TOO_MANY_REQUESTS", "retryAfter": 7}
        assert admitted == [f"Bearer {key}"]
