"""GraphQL over a WebSocket of our own, as a client that follows no rules sees it."""

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

from core.domain.api_key import hash_key
from core.domain.blob import expire
from core.domain.label import Label
from embedded.http import sse
from embedded.http.pubsub import MAX_WAITING
from tests.support.blobs import uploaded
from tests.support.embedded_stores import EmbeddedStores
from tests.support.live_server import LiveServer
from tests.support.waiting import PATIENCE, wait_until

CHANGED = "subscription ($id: ID!) { blobChanged(id: $id) { id status } }"
LABELLED = "subscription { blobLabelled { id labels { name aliases } } }"
NOWHERE = "01KYAPP62SWHJ3Z8EFVNKPPWB6"
Open = Callable[..., ClientConnection]


@pytest.fixture
def server(stores: EmbeddedStores) -> Iterator[LiveServer]:
    with LiveServer(stores) as running:
        yield running


@pytest.fixture
def opened() -> Iterator[Open]:
    """Connect to a server; `begun` begins the protocol as well."""
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
    """Wait for the close; return its code and reason, and drop what comes before."""
    try:
        while True:
            client.recv(timeout=PATIENCE)
    except ConnectionClosed as end:
        received = end.rcvd
    assert received is not None
    return received.code, received.reason


def test_a_subscription_that_was_completed_leaves_nothing_behind(
    server: LiveServer, stores: EmbeddedStores, opened: Open
) -> None:
    """Its id may be used again, and nothing more comes for it."""
    blob = stores.awaiting("local")
    client = opened(server)
    for _ in range(3):
        subscribe(client, "1", CHANGED, id=blob.id)
        assert hear(client)["payload"]["data"]["blobChanged"]["status"] == "AWAITING_UPLOAD"
        assert len(server.pubsub) == 1
        say(client, "complete", id="1")
        wait_until(lambda: len(server.pubsub) == 0)
    stores.saved(expire(blob))
    say(client, "ping")
    assert hear(client) == {"type": "pong"}


def test_a_deleted_blob_ends_its_subscription(
    server: LiveServer, stores: EmbeddedStores, opened: Open
) -> None:
    """Without an error: there is nothing more to tell."""
    blob = stores.awaiting("local")
    client = opened(server)
    subscribe(client, "1", CHANGED, id=blob.id)
    hear(client)
    stores.blobs.delete(blob, stores.clock())
    assert hear(client) == {"type": "complete", "id": "1"}


def test_what_is_changed_while_the_state_is_read_is_told(
    server: LiveServer, stores: EmbeddedStores, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Listening begins before reading; and what was read already is not told again."""
    blob = stores.awaiting("local")
    find = stores.blobs.find

    def find_and_change(*given: Any) -> Any:
        found = find(*given)
        stores.saved(uploaded(blob))
        return found

    monkeypatch.setattr(stores.blobs, "find", find_and_change)
    client = opened(server)
    subscribe(client, "1", CHANGED, id=blob.id)
    told = [hear(client)["payload"]["data"]["blobChanged"]["status"] for _ in range(2)]
    assert told == ["AWAITING_UPLOAD", "LABELLING"]


@pytest.mark.parametrize("foreign", [True, False])
def test_another_owners_blob_looks_absent(
    stores: EmbeddedStores, opened: Open, foreign: bool
) -> None:
    """Word for word, but for the id; and none of its changes is told."""
    blob = stores.awaiting("bert")
    with LiveServer(stores, "anna") as server:
        client = opened(server)
        asked = blob.id if foreign else NOWHERE
        subscribe(client, "1", CHANGED, id=asked)
        subscribe(client, "2", LABELLED)
        message = json.dumps(hear(client)).replace(asked, "ID")
        assert "You have no blob 'ID'." in message
        assert hear(client) == {"type": "complete", "id": "1"}
        stores.saved(uploaded(blob))
        stores.labelled("bert")
        say(client, "ping")
        assert hear(client) == {"type": "pong"}


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
def test_what_breaks_the_protocol_closes_the_socket(
    server: LiveServer, opened: Open, sent: str | bytes, code: int
) -> None:
    """With the protocol's code."""
    client = opened(server)
    client.send(sent)
    assert closed(client)[0] == code


def test_an_operation_before_the_acknowledgement_is_unauthorized(
    server: LiveServer, opened: Open
) -> None:
    """Pings are answered even then."""
    client = opened(server, begun=False)
    say(client, "ping")
    assert hear(client) == {"type": "pong"}
    subscribe(client, "1", "{ __typename }")
    assert closed(client) == (4401, "Unauthorized")


def test_an_id_can_not_be_used_twice_at_a_time(
    server: LiveServer, stores: EmbeddedStores, opened: Open
) -> None:
    """4409."""
    client = opened(server)
    for _ in range(2):
        subscribe(client, "1", LABELLED)
    assert closed(client) == (4409, "Subscriber for 1 already exists")
    wait_until(lambda: len(server.pubsub) == 0)


def test_who_does_not_say_who_it_is_is_not_waited_for(stores: EmbeddedStores, opened: Open) -> None:
    """4408."""
    with LiveServer(stores, init_seconds=0.1) as server:
        client = opened(server, begun=False)
        assert closed(client) == (4408, "Connection initialisation timeout")


def test_another_protocol_is_not_spoken(server: LiveServer, opened: Open) -> None:
    """Neither the old one nor none."""
    for offered in (["graphql-ws"], None):
        client = opened(server, begun=False, subprotocols=offered)
        assert closed(client)[0] == 4406


def test_a_connection_has_a_hundred_operations_at_most(server: LiveServer, opened: Open) -> None:
    """One more is refused by itself; the others go on."""
    client = opened(server)
    for number in range(101):
        subscribe(client, str(number), LABELLED)
    refused = hear(client)
    assert (refused["type"], refused["id"]) == ("error", "100")
    assert refused["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    wait_until(lambda: len(server.pubsub) == 100)


@pytest.mark.parametrize("foreign", ["http://evil.example", "null", "http://localhost:1"])
def test_pages_of_other_origins_are_kept_out(
    stores: EmbeddedStores, opened: Open, foreign: str
) -> None:
    """By 403; listed ones, our own, and clients that are no pages are let in."""
    with LiveServer(stores, origins=("https://app.example",)) as server:
        with pytest.raises(InvalidStatus) as refused:
            opened(server, origin=foreign)
        assert refused.value.response.status_code == 403
        for welcome in (None, "https://app.example", f"http://{server.address}"):
            opened(server, origin=welcome)


@pytest.mark.parametrize("way", ["payload", "PAYLOAD", "header", "payload before header"])
def test_the_key_comes_with_the_first_message_or_the_handshake(
    stores: EmbeddedStores, opened: Open, way: str
) -> None:
    """In any case of the name; the message's goes first."""
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
def test_without_a_valid_key_the_socket_is_closed(
    stores: EmbeddedStores, opened: Open, payload: Any
) -> None:
    """4403, after which clients ask for another key."""
    with LiveServer(stores, None) as server:
        client = opened(server, begun=False)
        say(client, "connection_init", payload=payload)
        assert closed(client)[0] == 4403


def test_a_revoked_key_ends_the_connection(
    stores: EmbeddedStores, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the next look."""
    monkeypatch.setattr(sse, "RECHECK_SECONDS", 0.05)
    key = stores.key_for("anna")
    with LiveServer(stores, None) as server:
        client = opened(server, begun=False)
        say(client, "connection_init", payload={"authorization": f"Bearer {key}"})
        hear(client)
        subscribe(client, "1", LABELLED)
        wait_until(lambda: len(server.pubsub) == 1)
        time.sleep(0.2)
        stores.owners.remove_key(hash_key(key))
        assert closed(client) == (4403, "Forbidden: the key has expired or was revoked")
        wait_until(lambda: len(server.pubsub) == 0)


def test_only_what_its_operator_listed_is_executed(stores: EmbeddedStores, opened: Open) -> None:
    """The list of allowed documents holds here too."""
    with LiveServer(stores, documents={"allowed": {}}) as server:
        client = opened(server)
        subscribe(client, "1", "{ __typename }")
        told = hear(client)
        assert told["type"] == "error"
        assert told["payload"][0]["extensions"]["code"] == "DOCUMENT_NOT_ALLOWED"


def test_a_client_that_goes_leaves_nothing_behind(
    server: LiveServer, stores: EmbeddedStores, opened: Open
) -> None:
    """No listener and no task, whether it says so or is cut off."""
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


def test_stopping_is_prompt_though_clients_listen(server: LiveServer, opened: Open) -> None:
    """They are told that the service restarts."""
    client = opened(server)
    subscribe(client, "1", LABELLED)
    wait_until(lambda: len(server.pubsub) == 1)
    server.stop()
    assert closed(client)[0] == 1012


def test_a_client_that_does_not_read_is_dropped(stores: EmbeddedStores, opened: Open) -> None:
    """What waits for it is bounded meanwhile, and others go on being told."""
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


def test_a_thousand_who_listen_to_something_else_cost_a_change_nothing(
    server: LiveServer, stores: EmbeddedStores, opened: Open
) -> None:
    """Nobody but those of its topics is woken."""
    blobs = [stores.awaiting("local") for _ in range(100)]
    for _ in range(10):
        client = opened(server)
        for number, blob in enumerate(blobs):
            subscribe(client, str(number), CHANGED, id=blob.id)
        for _ in blobs:
            hear(client)
    assert len(server.pubsub) == 1000
    delivered: list[str] = []
    server.pubsub._deliver = lambda topic, _: delivered.append(topic)  # type: ignore[method-assign]
    stores.labelling("local")
    stores.saved(uploaded(blobs[0]))
    wait_until(lambda: delivered)
    assert delivered == [f"blob#{blobs[0].id}"]
