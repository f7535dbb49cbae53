"""No owner sees or changes what is another's: every field of the schema, found by introspection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLUnionType,
    get_named_type,
)
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from api.auth.permissions import GUARDED, NEEDED
from api.graphql.schema import schema
from core.domain.blob import Blob
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict, delivery_id
from core.domain.label import Label
from core.domain.owner import with_new_secret
from core.domain.scope import Scope
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from core.repositories.dynamodb.uploads import DynamoUploadRepository
from core.repositories.ports.owners import update_owner
from core.repositories.ports.uploads import UploadLimits
from tests.support.app_client import AppClient
from tests.support.dynamodb import OneAtATime, dynamodb_client, table_definition
from tests.support.embedded_stores import EmbeddedStores, MovableClock
from tests.support.graphql_client import GraphQL
from tests.support.live_server import LiveServer
from tests.support.moto import moto_aws
from tests.support.waiting import PATIENCE

TYPES = schema._schema.type_map
ROOTS = ("Query", "Mutation", "Subscription")
SECRET = "whsec_QW5uYSdzIHNlY3JldA=="
NONSENSE = "01KYAPP62SWHJ3Z8EFVNKPPWB6"
DEEP = 6
EVERYWHERE = pytest.mark.parametrize(
    "store", ["sqlite", pytest.param("dynamodb", marks=pytest.mark.slow)]
)


def everything(of: GraphQLOutputType, seen: set[str], path: tuple[str, ...] = ()) -> str:
    """Select all fields of a type, and of what they lead to; note which in `seen`."""
    named = get_named_type(of)
    if isinstance(named, GraphQLScalarType | GraphQLEnumType):
        return ""
    if named.name in path or len(path) > DEEP:
        return "{ __typename }"
    members: list[Any] = [named]
    if isinstance(named, GraphQLUnionType | GraphQLInterfaceType):
        members = list(schema._schema.get_possible_types(named))
    parts = []
    for member in members:
        fields = []
        for name, each in member.fields.items():
            seen.add(f"{member.name}.{name}")
            # Of the same name, but not the same type, in several members of a union.
            alias = f"{member.name}_{name}: " if len(members) > 1 else ""
            fields.append(alias + name + everything(each.type, seen, (*path, member.name)))
        parts.append(f"... on {member.name} {{ {' '.join(fields)} }}")
    return f"{{ __typename {' '.join(parts)} }}"


def operation(field_: str, seen: set[str] | None = None) -> str:
    """An operation of one root field, which takes all its arguments as variables."""
    root, _, name = field_.partition(".")
    kind = TYPES[root]
    assert isinstance(kind, GraphQLObjectType)
    asked = kind.fields[name]
    declared = ", ".join(f"${arg}: {given.type}" for arg, given in asked.args.items())
    passed = ", ".join(f"{arg}: ${arg}" for arg in asked.args)
    selection = everything(asked.type, set() if seen is None else seen)
    head = f"{root.lower()}{f'({declared})' if declared else ''}"
    return f"{head} {{ {name}{f'({passed})' if passed else ''} {selection} }}"


@dataclass
class World:
    """What Anna has; Boris asks."""

    stores: EmbeddedStores
    boris: GraphQL
    blob: Blob
    promised: Blob
    delivery: Delivery
    endpoint: str
    cursor: str
    table: Any = None
    label: str = "Axolotl"
    key: str = "anna's order 7"
    marks: list[str] = field(default_factory=list)

    def ids(self) -> list[str]:
        """All that names something of Anna's."""
        return [self.blob.id, self.promised.id, self.delivery.id, *self.marks]

    def kept(self) -> list[Any]:
        """Every row or item on record that has to do with Anna."""
        rows = []
        if self.table:
            pages = self.table.get_paginator("scan").paginate(TableName="records")
            for item in (item for page in pages for item in page["Items"]):
                text = repr(sorted(item.items()))
                if any(mark in text for mark in ("anna", *self.ids())):
                    rows.append(("records", text))
            return sorted(rows)
        with self.stores.database.read() as connection:
            tables = connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
            ).fetchall()
            for (table,) in tables:
                for row in connection.execute(f"SELECT * FROM {table}"):  # noqa: S608
                    text = repr(row)
                    if any(mark in text for mark in ("anna", *self.ids())):
                        rows.append((table, text))
        return sorted(rows)


@pytest.fixture
def store() -> str:
    """Where records are kept; tests may say otherwise."""
    return "sqlite"


@pytest.fixture
def table(store: str) -> Iterator[Any]:
    """A client of an imitated DynamoDB with the table, or None."""
    if store == "sqlite":
        yield None
        return
    with moto_aws():
        made = dynamodb_client()
        made.create_table(TableName="records", **table_definition())
        yield made


@pytest.fixture
def stores(tmp_path: Path, clock: MovableClock, table: Any) -> Iterator[EmbeddedStores]:
    """As the embedded service has it, or with the records of the one on AWS."""
    stores: Any = EmbeddedStores(tmp_path, clock)
    if table:
        records = Table(OneAtATime(table), "records")
        stores.blobs = DynamoBlobRepository(records)
        stores.uploads = DynamoUploadRepository(records, UploadLimits())
        stores.deliveries = DynamoDeliveryRepository(records)
        stores.owners = DynamoOwnerRepository(records, lambda: "whsec_c2VjcmV0")
    yield stores
    stores.close()


@pytest.fixture
def world(stores: EmbeddedStores, anna: GraphQL, boris: GraphQL, table: Any) -> World:
    url = "https://anna.example/hook?secret=7"
    blob = stores.labelled("anna", Label("Axolotl", 91.0), callback_url=url)
    stores.labelled("anna", Label("Axolotl", 61.0))
    now = stores.clock()
    delivery = Delivery(delivery_id(blob.id, blob.version), blob.id, "anna", url, b"{}", now, now)
    stores.deliveries.add(delivery)
    claim = stores.deliveries.claim(delivery.id, now, timedelta(seconds=30))
    assert claim
    ended = Attempt(1, now, now, status=200, response=b"Anna's answer", address="203.0.113.7")
    assert stores.deliveries.finish(claim, ended, Verdict(DeliveryState.DELIVERED, None))
    endpoint = "https://gone.anna.example/hook"
    stores.deliveries.disable_endpoint("anna", endpoint, now)
    key = "anna's order 7"
    made = anna.ask(
        "mutation ($key: String!) { createUpload(input: {contentType: JPEG, idempotencyKey: $key})"
        " { ... on CreatedUpload { blob { id } } } }",
        key=key,
    )["createUpload"]["blob"]["id"]
    promised = stores.blobs.get(made)
    assert promised
    cursor = anna.ask("{ blobs(first: 1) { pageInfo { endCursor } } }")["blobs"]["pageInfo"]
    update_owner(stores.owners, "anna", lambda each: with_new_secret(each, SECRET, now))
    stores.labelled("boris", Label("Badger", 88.0), callback_url="https://boris.example/hook")
    return World(
        stores,
        boris,
        blob,
        promised,
        delivery,
        endpoint,
        cursor["endCursor"],
        table,
        marks=["Axolotl", "anna.example", SECRET],
    )


PAGE = {"first": 20, "after": None}
Variables = Callable[[World], tuple[dict[str, Any], dict[str, Any]]]


def by_id(name: str, of: Callable[[World], str] = lambda w: w.blob.id) -> Variables:
    """Asked with Anna's id, and with one that nobody has."""
    return lambda world: ({name: of(world)}, {name: NONSENSE})


def alike(**variables: Any) -> Variables:
    """Asked without anything that is Anna's."""
    return lambda _: (variables, variables)


# For each root field what Boris asks with, of Anna's and of nobody's: the answers must be the same.
CASES: dict[str, Variables] = {
    "Query.node": by_id("id"),
    "Query.nodes": lambda w: ({"ids": [w.blob.id, w.promised.id]}, {"ids": [NONSENSE, NONSENSE]}),
    "Query.blob": by_id("id"),
    "Query.blobs": alike(**PAGE, filter=None),
    "Query.blobsByLabel": lambda w: (
        {"label": w.label, "minConfidence": 0, "orderBy": "NEWEST", **PAGE},
        {"label": "Nothing", "minConfidence": 0, "orderBy": "NEWEST", **PAGE},
    ),
    "Query.blobsByLabels": lambda w: (
        {"any": [w.label], "minConfidence": 0, **PAGE},
        {"any": ["Nothing"], "minConfidence": 0, **PAGE},
    ),
    "Query.labels": lambda w: ({"prefix": w.label[:2], **PAGE}, {"prefix": "Nothing", **PAGE}),
    "Query.callback": by_id("id", lambda w: w.delivery.id),
    "Query.disabledWebhookEndpoints": alike(),
    "Mutation.createUpload": lambda w: (
        {"input": {"contentType": "JPEG", "idempotencyKey": w.key}},
        {"input": {"contentType": "JPEG", "idempotencyKey": "another"}},
    ),
    "Mutation.renewUpload": by_id("blobId", lambda w: w.promised.id),
    "Mutation.relabelBlob": by_id("blobId"),
    "Mutation.deleteBlob": by_id("blobId"),
    "Mutation.redeliverCallback": by_id("blobId"),
    "Mutation.sendTestWebhook": alike(url="https://boris.example/hook"),
    "Mutation.enableWebhookEndpoint": lambda w: (
        {"url": w.endpoint},
        {"url": "https://nowhere.example/hook"},
    ),
    "Mutation.rotateWebhookSecret": alike(),
}
# What is another with each call, though nothing of anybody else's.
FRESH = {"Mutation.createUpload", "Mutation.sendTestWebhook", "Mutation.rotateWebhookSecret"}


def test_every_field_has_a_case() -> None:
    """Of each root a case of its own, or a test below; all others are selected by these."""
    roots = {f"{root}.{name}" for root in ROOTS for name in TYPES[root].fields}  # type: ignore[attr-defined]
    assert set(CASES) | {"Subscription.blobChanged", "Subscription.blobLabelled"} == roots
    assert set(NEEDED) - GUARDED == roots
    selected: set[str] = set()
    for field_ in roots:
        operation(field_, selected)
    others = {
        f"{name}.{each}"
        for name, kind in TYPES.items()
        if isinstance(kind, GraphQLObjectType) and not name.startswith("__") and name not in ROOTS
        for each in kind.fields
    }
    assert others - selected == set()


@EVERYWHERE
@pytest.mark.parametrize("field_", CASES)
def test_what_is_anothers_looks_like_nothing_and_stays_as_it_is(world: World, field_: str) -> None:
    """The answer is that to nonsense, holds nothing of Anna's, and Anna's rows are untouched."""
    before = world.kept()
    assert len(before) > 10
    foreign, nonsense = CASES[field_](world)
    answered = world.boris.post(operation(field_), **foreign).text
    again = world.boris.post(operation(field_), **nonsense).text
    assert '"errors"' not in answered
    shown = without(foreign, answered)
    assert [mark for mark in world.ids() if mark in shown] == []
    if field_ not in FRESH:
        assert shown == without(nonsense, again)
    assert world.kept() == before


def without(given: dict[str, Any], answer: str) -> str:
    """The answer, with a word in place of whatever was asked for."""
    for value in given.values():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str):
                answer = answer.replace(each, "asked")
    return answer


@EVERYWHERE
def test_all_that_one_has_is_shown_to_its_owner(world: World, anna: GraphQL) -> None:
    """So that the test before doesn't pass because nothing is ever shown."""
    for field_, mark in (
        ("Query.node", world.blob.id),
        ("Query.blob", "anna.example"),
        ("Query.blobsByLabel", "Axolotl"),
        ("Query.blobsByLabels", "Axolotl"),
        ("Query.labels", "Axolotl"),
        ("Query.callback", world.delivery.id),
        ("Query.disabledWebhookEndpoints", "gone.anna.example"),
    ):
        foreign, _ = CASES[field_](world)
        assert mark in anna.post(operation(field_), **foreign).text, field_


@EVERYWHERE
@pytest.mark.parametrize(
    "field_", ["Query.blobs", "Query.blobsByLabel", "Query.blobsByLabels", "Query.labels"]
)
def test_anothers_cursor_is_refused(world: World, anna: GraphQL, field_: str) -> None:
    """It begins no page of one's own either."""
    variables = {**CASES[field_](world)[0], "first": 1}
    name = field_.partition(".")[2]
    page = anna.ask(operation(field_), **variables)[name]
    end = page["pageInfo"]["endCursor"]
    refused = world.boris.error(operation(field_), **{**variables, "after": end})
    assert refused["extensions"]["code"] == "BAD_USER_INPUT"
    assert "after" in refused["message"]


def test_the_plain_routes_show_nothing_of_anothers(world: World, client: AppClient) -> None:
    """404, word for word."""
    answers = [
        client.get(f"/blobs/{blob_id}", headers=world.boris.headers)
        for blob_id in (world.blob.id, NONSENSE)
    ]
    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].text.replace(world.blob.id, NONSENSE) == answers[1].text


def test_subscriptions_tell_nothing_of_anothers(stores: EmbeddedStores, world: World) -> None:
    """Anna's id is absent; her labels are not heard of."""
    protocol = Subprotocol("graphql-transport-ws")
    with (
        LiveServer(stores, "boris") as server,
        connect(f"ws://{server.address}/graphql", subprotocols=[protocol]) as client,
    ):

        def say(kind: str, **parts: Any) -> None:
            client.send(json.dumps({"type": kind, **parts}))

        say("connection_init")
        client.recv(timeout=PATIENCE)
        for number, (field_, variables) in enumerate(
            [
                ("Subscription.blobLabelled", {"label": None, "minConfidence": 0}),
                ("Subscription.blobChanged", {"id": world.promised.id}),
                ("Subscription.blobChanged", {"id": NONSENSE}),
            ]
        ):
            asked = {"query": operation(field_), "variables": variables}
            say("subscribe", id=str(number), payload=asked)
        told = [str(client.recv(timeout=PATIENCE)) for _ in range(4)]
        assert all('"id":"0"' not in line for line in told)
        first, second = (
            "".join(line for line in told if f'"id":"{number}"' in line)
            .replace(asked, "ID")
            .replace(f'"id":"{number}"', "")
            for number, asked in ((1, world.promised.id), (2, NONSENSE))
        )
        assert first == second
        assert "NOT_FOUND" in first
        stores.labelled("anna", Label("Axolotl", 99.0))
        stores.labelled("boris", Label("Beaver", 99.0))
        heard = str(client.recv(timeout=PATIENCE))
        assert "Beaver" in heard
        assert not any(mark in heard for mark in world.ids())


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("field_", CASES)
def test_a_key_opens_what_its_scopes_name_and_no_more(
    stores: EmbeddedStores, client: AppClient, world: World, field_: str, scope: Scope
) -> None:
    """Else the whole operation is refused with 403, by any way to its field, and nothing done."""
    asked = GraphQL(client, stores.key_for("anna", scopes=frozenset(Scope) - {scope}))
    before = world.kept()
    variables, _ = CASES[field_](world)
    answer = asked.post(operation(field_), **variables)
    selected: set[str] = set()
    operation(field_, selected)
    if scope in NEEDED[field_].union(*(NEEDED[each] for each in GUARDED & selected)):
        (error,) = answer.json()["errors"]
        assert answer.status_code == 403
        assert "data" not in answer.json()
        assert error["extensions"] == {"code": "FORBIDDEN", "missingScopes": [scope]}
        assert (field_ if scope in NEEDED[field_] else "Blob.") in error["message"]
        assert world.kept() == before
    else:
        assert answer.status_code == 200


def test_who_may_only_upload_learns_nothing_of_a_picture(
    stores: EmbeddedStores, client: AppClient, world: World
) -> None:
    """Not even of one whose idempotencyKey it repeats; that it is there it is told."""
    asked = GraphQL(client, stores.key_for("anna", scopes=frozenset({Scope.UPLOAD})))
    upload = "createUpload(input: {contentType: JPEG, idempotencyKey: $key})"
    of = "mutation ($key: String!) {{ {} {{ ... on CreatedUpload {{ blob {{ {} }} }} }} }}"
    told = asked.ask(of.format(upload, "id status contentType"), key=world.key)
    assert told["createUpload"]["blob"]["id"] == world.promised.id
    for selection in ("labels { name }", "x: downloadUrl", "...F", "... on Node { ...F }"):
        text = of.format(upload, selection) + " fragment F on Blob { callback { url } }"
        if "F" not in selection:
            text = of.format(upload, selection)
        assert asked.error(text, key=world.key)["extensions"]["missingScopes"] == ["read"]


def test_scopes_are_found_behind_fragments_and_aliases(
    stores: EmbeddedStores, client: AppClient
) -> None:
    """Wherever a root field stands."""
    asked = GraphQL(client, stores.key_for("anna", scopes=frozenset({Scope.UPLOAD})))
    for query in (
        "{ ...A } fragment A on Query { ...B } fragment B on Query { x: blobs { nodes { id } } }",
        "{ __typename ... @include(if: false) { ... on Query { blobs { nodes { id } } } } }",
    ):
        assert asked.error(query)["extensions"]["code"] == "FORBIDDEN"
    assert asked.ask("{ __typename __schema { queryType { name } } }")["__typename"] == "Query"
    two = "query A { blobs { nodes { id } } } query B { __typename }"
    answer = client.post(
        "/graphql", json={"query": two, "operationName": "B"}, headers=asked.headers
    )
    assert answer.json()["data"] == {"__typename": "Query"}


def test_the_plain_routes_need_scopes_too(stores: EmbeddedStores, client: AppClient) -> None:
    """With RFC 6750's words."""
    reads = {"authorization": f"Bearer {stores.key_for('anna', scopes=frozenset({Scope.READ}))}"}
    sends = {"authorization": f"Bearer {stores.key_for('anna', scopes=frozenset({Scope.UPLOAD}))}"}
    refused = client.post("/blobs", headers=reads)
    assert refused.status_code == 403
    assert refused.headers["www-authenticate"] == (
        'Bearer error="insufficient_scope", scope="upload"'
    )
    made = client.post("/blobs", headers=sends).json()["blob_id"]
    assert client.get(f"/blobs/{made}", headers=sends).status_code == 403
    assert client.get(f"/blobs/{made}", headers=reads).status_code == 200


def test_an_expired_key_opens_nothing(stores: EmbeddedStores, client: AppClient) -> None:
    """And its holder is told since when."""
    end = stores.clock() + timedelta(hours=1)
    asked = GraphQL(client, stores.key_for("anna", expires_at=end))
    assert asked.post("{ __typename }").status_code == 200
    stores.clock.advance(timedelta(hours=1))
    answer = asked.post("{ __typename }")
    assert answer.status_code == 401
    assert "expired at 2026-01-31T13:00:00.123Z" in answer.json()["errors"][0]["message"]
