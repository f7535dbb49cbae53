"""Subscriptions on AWS: graphql-ws and rougher clients, through the functions as deployed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core.domain.blob_event import BlobEventKind
from core.domain.clock import utc_now
from core.events.topics import blob_topic, owner_topic
from core.repositories.dynamodb.connections import DynamoConnectionRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.connections import MAX_TOPICS
from tests.support.aws.cloud import Cloud, made_key
from tests.support.aws.websocket_api import WebSocketApi
from tests.support.images.photos import photo
from tests.support.listening import Listening, require_graphql_ws
from tests.support.waiting import PATIENCE, wait_until

EVENTS = """
subscription ($filter: EventFilter) {
  blobEvents(filter: $filter) { id kind blobId blob { id status } }
}
"""
RELABEL = "mutation ($id: ID!) { relabelBlob(blobId: $id) { __typename } }"
DELETE = "mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename } }"
NOWHERE = "01KYAPP62SWHJ3Z8EFVNKPPWB6"
LABELLED = {"kinds": ["LABELLED"]}
LABELLINGS = owner_topic("anna", BlobEventKind.LABELLED)
Open = Callable[..., ClientConnection]


@pytest.fixture
def gateway(cloud: Cloud) -> Iterator[WebSocketApi]:
    with cloud.sockets() as running:
        yield running


@pytest.fixture
def connections(cloud: Cloud) -> DynamoConnectionRepository:
    return DynamoConnectionRepository(Table(cloud.dynamodb, cloud.ids["Connections"]))


@pytest.fixture
def opened(gateway: WebSocketApi, key: str) -> Iterator[Open]:
    """Connect; `begun` begins the protocol as well, with the key of `cloud`'s owner."""
    with ExitStack() as stack:

        def open_(*, begun: bool = True, **options: Any) -> ClientConnection:
            given = {"subprotocols": ["graphql-transport-ws"], "compression": None, **options}
            client = stack.enter_context(connect(gateway.url, **given))
            if begun:
                say(client, "connection_init", payload={"authorization": f"Bearer {key}"})
                assert hear(client) == {"type": "connection_ack"}
            return client

        yield open_


def say(client: ClientConnection, kind: str, **parts: Any) -> None:
    client.send(json.dumps({"type": kind, **parts}))


def subscribe(client: ClientConnection, operation: str, query: str, **variables: Any) -> None:
    payload = {"query": query, "variables": variables}
    say(client, "subscribe", id=operation, payload=payload)


def hear(client: ClientConnection, seconds: float = PATIENCE) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(client.recv(timeout=seconds))
    return told


def status_told(client: ClientConnection) -> str:
    told: str = hear(client)["payload"]["data"]["blobEvents"]["blob"]["status"]
    return told


def event_told(told: Mapping[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = told["payload"]["data"]["blobEvents"]
    return event


def code_told(client: ClientConnection) -> str:
    told = hear(client)
    assert told["type"] == "error", told
    code: str = told["payload"][0]["extensions"]["code"]
    return code


def quiet(client: ClientConnection) -> None:
    """See that nothing else was sent before the answer to a ping."""
    say(client, "ping")
    assert hear(client) == {"type": "pong"}


def closed(client: ClientConnection) -> int:
    try:
        while True:
            client.recv(timeout=PATIENCE)
    except ConnectionClosed as end:
        received = end.rcvd
    assert received is not None
    return received.code


def label(cloud: Cloud, target: Mapping[str, Any]) -> None:
    """Have a picture uploaded and labelled, and those told who listen."""
    assert cloud.put(target, photo("chelsea.png")) == 200
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    cloud.tell()


def test_graphql_ws_follows_a_picture_from_its_promise_to_its_labels(
    cloud: Cloud, gateway: WebSocketApi, key: str, connections: DynamoConnectionRepository
) -> None:
    """Live, and then it is over; nothing of the connection is left."""
    require_graphql_ws()
    blob_id, target = cloud.create_upload(key)
    asked = {
        "url": gateway.url,
        "params": {"authorization": f"Bearer {key}"},
        "operations": [
            {"query": EVENTS, "variables": {"filter": {"blobIds": [blob_id]}}},
            {"query": "{ blobs { nodes { id } } }"},
        ],
    }
    with Listening("listen.mjs", asked) as client:
        assert [client.next(), client.next()] == [{"opened": True}, {"connected": True}]
        first = [client.next() for _ in range(3)]
        data = {line["id"]: line["next"]["data"] for line in first if "next" in line}
        created = data[0]["blobEvents"]
        assert (created["kind"], created["blob"]["status"]) == ("CREATED", "AWAITING_UPLOAD")
        assert data[1] == {"blobs": {"nodes": [{"id": blob_id}]}}
        assert {"id": 1, "complete": True} in first
        label(cloud, target)
        event = client.next()["next"]["data"]["blobEvents"]
        assert event["id"] > created["id"]
        assert (event["kind"], event["blob"]) == ("LABELLED", {"id": blob_id, "status": "LABELLED"})
        assert client.next() == {"id": 0, "complete": True}
        client.rest()
    wait_until(lambda: not gateway.sockets)
    wait_until(lambda: not everything(cloud))


def everything(cloud: Cloud) -> list[Any]:
    """What is in the table of connections."""
    found: list[Any] = cloud.dynamodb.scan(TableName=cloud.ids["Connections"])["Items"]
    return found


def test_an_owner_hears_of_its_own_pictures_that_carry_a_label(
    cloud: Cloud, key: str, opened: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """No other owner's subscriber gets it; a second labelling is sent too."""
    bert = made_key(cloud, capsys, "bert")
    client, other = opened(), opened(begun=False)
    say(other, "connection_init", payload={"Authorization": f"Bearer {bert}"})
    hear(other)
    subscribe(client, "1", EVENTS, filter=LABELLED)
    none = {"labels": {"all": ["Nothing Of The Kind"]}}
    subscribe(client, "2", EVENTS, filter={**LABELLED, **none})
    subscribe(other, "1", EVENTS, filter=LABELLED)
    for each in (client, other):
        quiet(each)
    blob_id, target = cloud.create_upload(key)
    label(cloud, target)
    told = hear(client)
    assert (told["id"], event_told(told)["blobId"]) == ("1", blob_id)
    cloud.graphql(key, RELABEL, id=blob_id)
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    cloud.tell()
    assert event_told(hear(client))["blobId"] == blob_id
    quiet(client)
    quiet(other)


@pytest.mark.parametrize("foreign", [True, False])
def test_another_owners_blob_looks_absent(
    cloud: Cloud,
    opened: Open,
    connections: DynamoConnectionRepository,
    foreign: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The error is the same word for word, and nothing is sent later."""
    bert = made_key(cloud, capsys, "bert")
    blob_id, target = cloud.create_upload(bert)
    asked = blob_id if foreign else NOWHERE
    client = opened()
    subscribe(client, "1", EVENTS, filter={"blobIds": [asked]})
    assert "You have no blob 'ID'." in json.dumps(hear(client)).replace(asked, "ID")
    assert hear(client) == {"type": "complete", "id": "1"}
    quiet(client)
    assert not connections.has_listeners(blob_topic(asked))
    label(cloud, target)
    quiet(client)


def test_a_blob_that_is_finished_or_deleted_ends_its_subscription(
    cloud: Cloud, key: str, opened: Open, connections: DynamoConnectionRepository
) -> None:
    """At once, and without an error."""
    blob_id, target = cloud.create_upload(key)
    label(cloud, target)
    client = opened()
    subscribe(client, "1", EVENTS, filter={"blobIds": [blob_id]})
    assert status_told(client) == "LABELLED"
    assert hear(client) == {"type": "complete", "id": "1"}
    quiet(client)
    assert not connections.has_listeners(blob_topic(blob_id))
    doomed, _ = cloud.create_upload(key)
    subscribe(client, "1", EVENTS, filter={"blobIds": [doomed]})
    assert status_told(client) == "AWAITING_UPLOAD"
    cloud.graphql(key, DELETE, id=doomed)
    cloud.notify()
    cloud.tell()
    deleted = event_told(hear(client))
    assert (deleted["kind"], deleted["blobId"], deleted["blob"]) == ("DELETED", doomed, None)
    assert hear(client) == {"type": "complete", "id": "1"}
    quiet(client)
    assert not connections.has_listeners(blob_topic(doomed))


def test_a_subscription_to_several_blobs_completes_with_the_last_of_them(
    cloud: Cloud, key: str, opened: Open, connections: DynamoConnectionRepository
) -> None:
    """One has ended before, one is labelled, one is deleted; each is sent, then nothing more."""
    done, target = cloud.create_upload(key)
    label(cloud, target)
    (first, target), (second, _) = cloud.create_upload(key), cloud.create_upload(key)
    client = opened()
    subscribe(client, "1", EVENTS, filter={"blobIds": [done, first, second]})
    told = [event_told(hear(client)) for _ in range(3)]
    assert [event["kind"] for event in told] == ["LABELLED", "CREATED", "CREATED"]
    quiet(client)
    followed = [connections.has_listeners(blob_topic(each)) for each in (done, first, second)]
    assert followed == [False, True, True]
    cloud.graphql(key, RELABEL, id=done)
    label(cloud, target)
    event = event_told(hear(client))
    assert (event["kind"], event["blobId"]) == ("LABELLED", first)
    quiet(client)
    cloud.graphql(key, DELETE, id=second)
    cloud.notify()
    cloud.tell()
    event = event_told(hear(client))
    assert (event["kind"], event["blobId"], event["blob"]) == ("DELETED", second, None)
    assert hear(client) == {"type": "complete", "id": "1"}
    quiet(client)
    (connection,) = everything(cloud)
    assert (connection["slots"], connection["topics"]) == ({"M": {}}, {"N": "0"})


def test_creations_and_deletions_reach_those_who_want_them(
    cloud: Cloud, key: str, opened: Open
) -> None:
    """A deleted blob passes a filter of labels by the labels that it had."""
    client = opened()
    for operation, labels in (("1", {}), ("2", {"labels": {"all": ["CAT"]}}), ("3", {})):
        kinds = ["EXPIRED"] if operation == "3" else ["CREATED", "DELETED"]
        subscribe(client, operation, EVENTS, filter={"kinds": kinds, **labels})
    quiet(client)
    blob_id, target = cloud.create_upload(key)
    label(cloud, target)
    told = hear(client)
    assert (told["id"], event_told(told)["kind"]) == ("1", "CREATED")
    cloud.graphql(key, DELETE, id=blob_id)
    cloud.notify()
    cloud.tell()
    deleted = sorted((hear(client) for _ in range(2)), key=lambda each: str(each["id"]))
    assert [each["id"] for each in deleted] == ["1", "2"]
    assert event_told(deleted[0]) == event_told(deleted[1])
    assert event_told(deleted[0])["kind"] == "DELETED"
    quiet(client)


def test_a_connection_beyond_its_topics_is_told_so(opened: Open) -> None:
    """Each kind is one. The other subscriptions go on."""
    client = opened()
    kinds = list(BlobEventKind)
    allowed = MAX_TOPICS // len(kinds)
    for number in range(allowed + 1):
        subscribe(client, str(number), EVENTS, filter={"kinds": kinds})
    told = hear(client)
    (refused,) = told["payload"]["errors"]
    assert refused["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert "at most 100 topics" in refused["message"]
    assert hear(client) == {"type": "complete", "id": told["id"]}
    quiet(client)


def test_a_document_too_long_to_be_stored_for_each_blob_is_refused(opened: Open) -> None:
    """DynamoDB's transactions have at most 4 MB."""
    client = opened()
    ids = [f"{NOWHERE[:-2]}{number:02}" for number in range(50)]
    long = {"query": EVENTS + "#" + "☃" * 10_100, "variables": {"filter": {"blobIds": ids}}}
    message = {"type": "subscribe", "id": "1", "payload": long}
    client.send(json.dumps(message, ensure_ascii=False))
    assert "name fewer blobIds" in hear(client)["payload"]["errors"][0]["message"]
    assert hear(client) == {"type": "complete", "id": "1"}
    quiet(client)


def test_a_notice_told_twice_tells_nothing_behind_the_end(
    cloud: Cloud, key: str, opened: Open
) -> None:
    """Lambda repeats what failed, and at times what did not."""
    blob_id, target = cloud.create_upload(key)
    client = opened()
    subscribe(client, "1", EVENTS, filter={"blobIds": [blob_id]})
    subscribe(client, "2", EVENTS, filter=LABELLED)
    assert status_told(client) == "AWAITING_UPLOAD"
    quiet(client)
    cloud.put(target, photo("chelsea.png"))
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    cloud.notices += cloud.notices
    assert cloud.tell() == 2
    told = [hear(client) for _ in range(4)]
    of_one = [(each["type"], each["id"]) for each in told]
    assert sorted(of_one) == [("complete", "1"), ("next", "1"), ("next", "2"), ("next", "2")]
    assert of_one.index(("next", "1")) < of_one.index(("complete", "1"))
    quiet(client)


def test_what_is_not_listened_to_any_more_is_not_told(
    cloud: Cloud, key: str, opened: Open, connections: DynamoConnectionRepository
) -> None:
    """After `complete`; the id may be used again."""
    client = opened()
    for _ in range(2):
        subscribe(client, "1", EVENTS, filter=LABELLED)
        quiet(client)
        assert connections.has_listeners(LABELLINGS)
        say(client, "complete", id="1")
        quiet(client)
        assert not connections.has_listeners(LABELLINGS)
    _, target = cloud.create_upload(key)
    label(cloud, target)
    assert cloud.notices == []
    quiet(client)


def test_a_connection_that_is_gone_untold_is_forgotten(
    cloud: Cloud,
    gateway: WebSocketApi,
    key: str,
    opened: Open,
    connections: DynamoConnectionRepository,
) -> None:
    """The next message closes it; the other subscribers receive theirs."""
    lost, there = opened(), opened()
    for client in (lost, there):
        subscribe(client, "1", EVENTS, filter=LABELLED)
        quiet(client)
    gateway.drop(next(iter(gateway.sockets)), silent=True)
    blob_id, target = cloud.create_upload(key)
    label(cloud, target)
    assert event_told(hear(there))["blobId"] == blob_id
    left = list(connections.listeners(LABELLINGS, utc_now()))
    assert len(left) == 1


def test_a_client_that_takes_in_nothing_is_dropped(
    cloud: Cloud,
    gateway: WebSocketApi,
    key: str,
    opened: Open,
    connections: DynamoConnectionRepository,
) -> None:
    """When API Gateway will hold no more for it, tried four times."""
    client = opened()
    subscribe(client, "1", EVENTS, filter=LABELLED)
    quiet(client)
    _, target = cloud.create_upload(key)
    gateway.refuse_posts = 100
    label(cloud, target)
    assert gateway.refuse_posts == 96
    assert not connections.has_listeners(LABELLINGS)


def test_an_answer_beyond_what_a_message_may_hold_is_an_error(
    cloud: Cloud, key: str, opened: Open
) -> None:
    """That says what to do."""
    client = opened()
    wide = " ".join(
        f"a{n}: __schema {{ types {{ description fields {{ description }} }} }}" for n in range(9)
    )
    subscribe(client, "1", f"{{ {wide} }}")
    told = hear(client)
    assert told["type"] == "error"
    assert "at most 131072 bytes" in told["payload"][0]["message"]
    quiet(client)


@pytest.mark.parametrize(
    "sent",
    [
        "x",
        "null",
        '{"type":"hello"}',
        '{"type":"subscribe","id":"1"}',
        '{"type":"connection_init"}',
    ],
)
def test_what_breaks_the_protocol_closes_the_socket(
    cloud: Cloud, gateway: WebSocketApi, opened: Open, sent: str
) -> None:
    """With the one code that can be had; and nothing of the connection is left."""
    client = opened()
    client.send(sent)
    assert closed(client) == 1000
    wait_until(lambda: not everything(cloud))


def test_an_id_can_not_be_used_twice_at_a_time(opened: Open) -> None:
    """The socket is closed."""
    client = opened()
    for _ in range(2):
        subscribe(client, "1", EVENTS, filter=LABELLED)
        if _ == 0:
            quiet(client)
    assert closed(client) == 1000


@pytest.mark.parametrize("payload", [None, {}, {"authorization": "Bearer lbl_x"}])
def test_without_a_valid_key_each_operation_is_refused(
    cloud: Cloud, opened: Open, payload: Any
) -> None:
    """Since a close could not say why, and the client would only come back."""
    client = opened(begun=False)
    say(client, "connection_init", payload=payload)
    assert hear(client) == {"type": "connection_ack"}
    subscribe(client, "1", EVENTS, filter=LABELLED)
    assert code_told(client) == "UNAUTHENTICATED"
    subscribe(client, "2", "{ blobs { nodes { id } } }")
    assert code_told(client) == "UNAUTHENTICATED"
    assert everything(cloud) == []


def test_an_operation_before_the_acknowledgement_is_refused(opened: Open) -> None:
    """As one without a key is."""
    client = opened(begun=False)
    subscribe(client, "1", EVENTS, filter=LABELLED)
    assert code_told(client) == "UNAUTHENTICATED"


def test_the_handshake_may_carry_the_key(cloud: Cloud, key: str, opened: Open) -> None:
    """Then the first message need not; a wrong one is answered with 401."""
    client = opened(begun=False, additional_headers={"Authorization": f"Bearer {key}"})
    say(client, "connection_init")
    assert hear(client) == {"type": "connection_ack"}
    subscribe(client, "1", "{ __typename }")
    assert hear(client)["payload"]["data"] == {"__typename": "Query"}
    with pytest.raises(InvalidStatus) as refused:
        opened(begun=False, additional_headers={"Authorization": "Bearer lbl_x"})
    assert refused.value.response.status_code == 401


def test_pages_of_other_origins_and_other_protocols_are_kept_out(
    cloud: Cloud, opened: Open
) -> None:
    """By 403 and 400."""
    cloud.own["api"]["LABELLING_CORS_ORIGINS"] = "https://app.example"
    cloud.restart("api")
    for options, status in (
        ({"origin": "https://evil.example"}, 403),
        ({"subprotocols": ["graphql-ws"]}, 400),
    ):
        with pytest.raises(InvalidStatus) as refused:
            opened(begun=False, **options)
        assert refused.value.response.status_code == status
    opened(origin="https://app.example")


def test_only_what_its_operator_listed_is_executed(
    cloud: Cloud, opened: Open, tmp_path: Any
) -> None:
    """The list of allowed documents holds here too."""
    listed = tmp_path / "documents.json"
    listed.write_text("{}")
    cloud.own["api"]["LABELLING_ALLOWED_DOCUMENTS"] = str(listed)
    cloud.restart("api")
    client = opened()
    subscribe(client, "1", EVENTS, filter=LABELLED)
    assert code_told(client) == "DOCUMENT_NOT_ALLOWED"


def test_a_key_that_expires_ends_what_it_began(
    cloud: Cloud, key: str, opened: Open, connections: DynamoConnectionRepository
) -> None:
    """With the next message that would be sent."""
    client = opened()
    subscribe(client, "1", EVENTS, filter=LABELLED)
    wait_until(lambda: connections.has_listeners(LABELLINGS))
    expire(cloud)
    _, target = cloud.create_upload(key)
    label(cloud, target)
    assert code_told(client) == "UNAUTHENTICATED"
    assert not connections.has_listeners(LABELLINGS)
    subscribe(client, "2", "{ __typename }")
    assert code_told(client) == "UNAUTHENTICATED"


def expire(cloud: Cloud) -> None:
    """Have every connection's key end now."""
    for item in everything(cloud):
        item["ends_at"] = {"N": str(int((utc_now() - timedelta(seconds=1)).timestamp() * 1000))}
        cloud.dynamodb.put_item(TableName=cloud.ids["Connections"], Item=item)


def test_who_subscribes_by_http_is_told_where_to(
    cloud: Cloud, gateway: WebSocketApi, key: str
) -> None:
    """Lambda answers at once or not at all."""
    asked = {"query": "subscription { blobEvents { id } }"}
    for accept, status in (("application/json", 400), ("text/event-stream", 406)):
        answered, body = cloud.http("POST", "/graphql", asked, key=key, headers={"accept": accept})
        assert answered == status
        assert gateway.url in body["errors"][0]["message"]
