"""No owner sees or changes another owner's data: every field of the schema, by introspection."""

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
from core.domain.corrections import DecisionKind
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict, delivery_id
from core.domain.facts import Facts, metadata_of
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
from tests.support.aws.dynamodb import OneAtATime, dynamodb_client, table_definition
from tests.support.aws.moto import moto_aws
from tests.support.graphql_client import GraphQL
from tests.support.problems import read_problem
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores, MovableClock
from tests.support.services.live_server import LiveServer
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
    """Return a selection of all fields of a type and of the types below; add them to `seen`."""
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
            # Several members of a union may have a field of this name with other types.
            shared = sum(name in other.fields for other in members) > 1
            alias = f"{member.name}_{name}: " if shared else ""
            page = "(first: 1)" if "first" in each.args else ""  # larger ones exceed the cost
            fields.append(alias + name + page + everything(each.type, seen, (*path, member.name)))
        parts.append(f"... on {member.name} {{ {' '.join(fields)} }}")
    return f"{{ __typename {' '.join(parts)} }}"


def operation(field_: str, seen: set[str] | None = None) -> str:
    """Return an operation with one root field, which takes all its arguments as variables."""
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
    """Anna's data, which Boris tries to reach."""

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
    external_id: str = "picture 7"
    marks: list[str] = field(default_factory=list)

    def ids(self) -> list[str]:
        """Return everything that identifies Anna's data."""
        return [self.blob.id, self.promised.id, self.delivery.id, *self.marks]

    def kept(self) -> list[Any]:
        """Return every stored row or item that belongs to Anna."""
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
    """The backend of the repositories; tests may override it."""
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
    """The embedded stores, with the repositories of AWS if `store` is "dynamodb"."""
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
    facts = Facts("Amphibian.jpg", "picture 7", metadata_of([("pond", "Xochimilco")]))
    blob = stores.labelled("anna", Label("Axolotl", 91.0), callback_url=url, facts=facts)
    stores.labelled("anna", Label("Axolotl", 61.0))
    blob = stores.corrected(blob, DecisionKind.REMOVED, "Olm")
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
    anna.ask(
        "mutation { setLabelPolicy(input: {expectedVersion: 0, rules: [{action: RENAME,"
        ' label: "Newt", replacement: "Mudpuppy"}]}) { ... on LabelPolicySet { policy { version } }'
        " } }"
    )
    anna.ask(
        'mutation { setVocabulary(input: {expectedVersion: 0, labels: [{name: "Nessie"}]})'
        " { ... on VocabularySet { vocabulary { version } } } }"
    )
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
        marks=[
            "Axolotl",
            "Olm",
            "Mudpuppy",
            "Amphibian",
            "Xochimilco",
            "Nessie",
            "anna.example",
            SECRET,
        ],
    )


PAGE = {"first": 10, "after": None}  # of everything, twice: more would exceed the cost
Variables = Callable[[World], tuple[dict[str, Any], dict[str, Any]]]


def by_id(name: str, of: Callable[[World], str] = lambda w: w.blob.id) -> Variables:
    """Return variables with Anna's id, and with an unknown one."""
    return lambda world: ({name: of(world)}, {name: NONSENSE})


def alike(**variables: Any) -> Variables:
    """Return variables without anything of Anna's."""
    return lambda _: (variables, variables)


# For each root field, the variables that Boris sends: with Anna's ids and with unknown ones. The
# responses must be the same.
CASES: dict[str, Variables] = {
    "Query.node": by_id("id"),
    "Query.nodes": lambda w: ({"ids": [w.blob.id, w.promised.id]}, {"ids": [NONSENSE, NONSENSE]}),
    "Query.blob": by_id("id"),
    "Query.blobs": lambda w: (
        {"filter": {"externalIds": [w.external_id]}, "orderBy": "NEWEST", **PAGE},
        {"filter": {"externalIds": ["Nothing"]}, "orderBy": "NEWEST", **PAGE},
    ),
    "Query.blobsByLabel": lambda w: (
        {"label": w.label, "minConfidence": 0, "orderBy": "NEWEST", **PAGE},
        {"label": "Nothing", "minConfidence": 0, "orderBy": "NEWEST", **PAGE},
    ),
    "Query.label": lambda w: ({"name": w.label}, {"name": "Nothing"}),
    "Query.labels": lambda w: (
        {"prefix": w.label[:2], "orderBy": "BLOB_COUNT", **PAGE},
        {"prefix": "Nothing", "orderBy": "BLOB_COUNT", **PAGE},
    ),
    "Query.search": lambda w: ({"text": w.label, **PAGE}, {"text": "Nothing", **PAGE}),
    "Query.webhookDelivery": by_id("id", lambda w: w.delivery.id),
    "Query.disabledWebhookEndpoints": alike(),
    "Query.viewer": alike(),
    "Mutation.createUpload": lambda w: (
        {
            "input": {
                "contentType": "JPEG",
                "idempotencyKey": w.key,
                "externalId": w.external_id,
            }
        },
        {"input": {"contentType": "JPEG", "idempotencyKey": "another"}},
    ),
    "Mutation.renewUpload": by_id("blobId", lambda w: w.promised.id),
    "Mutation.relabelBlob": by_id("blobId"),
    "Mutation.relabelBlobs": lambda w: ({"ids": [w.blob.id]}, {"ids": [NONSENSE]}),
    "Mutation.addLabels": lambda w: (
        {"ids": [w.blob.id], "labels": [{"name": w.label}]},
        {"ids": [NONSENSE], "labels": [{"name": w.label}]},
    ),
    **{
        f"Mutation.{name}Labels": lambda w: (
            {"ids": [w.blob.id], "names": [w.label]},
            {"ids": [NONSENSE], "names": [w.label]},
        )
        for name in ("remove", "confirm", "reset")
    },
    "Mutation.updateBlob": lambda w: (
        {"blobId": w.blob.id, "input": {"fileName": "mine.jpg", "externalId": w.external_id}},
        {"blobId": NONSENSE, "input": {"fileName": "mine.jpg", "externalId": w.external_id}},
    ),
    "Mutation.setVocabulary": alike(input={"expectedVersion": 0, "labels": []}),
    "Mutation.setLabelPolicy": alike(input={"expectedVersion": 0, "maxLabels": 9}),
    "Mutation.deleteBlobs": lambda w: ({"ids": [w.blob.id]}, {"ids": [NONSENSE]}),
    "Mutation.restoreBlobs": lambda w: ({"ids": [w.blob.id]}, {"ids": [NONSENSE]}),
    "Mutation.deleteBlob": by_id("blobId"),
    "Mutation.redeliverWebhook": by_id("deliveryId", lambda w: w.delivery.id),
    "Mutation.sendTestWebhook": alike(url="https://boris.example/hook"),
    "Mutation.enableWebhookEndpoint": lambda w: (
        {"url": w.endpoint},
        {"url": "https://nowhere.example/hook"},
    ),
    "Mutation.rotateWebhookSecret": alike(),
}
# Fields whose values differ with each call, although they disclose nothing.
FRESH = {"Mutation.createUpload", "Mutation.sendTestWebhook", "Mutation.rotateWebhookSecret"}


def test_every_field_has_a_case() -> None:
    """Each root field has its own case or test; those select all other fields."""
    roots = {f"{root}.{name}" for root in ROOTS for name in TYPES[root].fields}  # type: ignore[attr-defined]
    assert set(CASES) | {"Subscription.blobEvents"} == roots
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
def test_foreign_data_looks_absent_and_stays_unchanged(world: World, field_: str) -> None:
    """The response is that for an unknown id, and Anna's rows do not change."""
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
    """Return the response, with a placeholder for each text of the request."""
    for text in texts_in(given):
        answer = answer.replace(text, "asked")
    return answer


def texts_in(value: object) -> Iterator[str]:
    """Yield the texts in a value and in what it holds."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts_in(each)


@EVERYWHERE
def test_owner_sees_all_its_data(world: World, anna: GraphQL) -> None:
    """Otherwise the test above would pass even if nothing is ever shown."""
    for field_, mark in (
        ("Query.node", world.blob.id),
        ("Query.blob", "anna.example"),
        ("Query.blob", "Olm"),
        ("Query.blobsByLabel", "Axolotl"),
        ("Query.blobs", "Axolotl"),
        ("Query.label", "Axolotl"),
        ("Query.labels", "Axolotl"),
        ("Query.webhookDelivery", world.delivery.id),
        ("Query.disabledWebhookEndpoints", "gone.anna.example"),
    ):
        foreign, _ = CASES[field_](world)
        assert mark in anna.post(operation(field_), **foreign).text, field_


@EVERYWHERE
@pytest.mark.parametrize("field_", ["Query.blobs", "Query.blobsByLabel", "Query.labels"])
def test_foreign_cursor_is_rejected(world: World, anna: GraphQL, field_: str) -> None:
    variables = {**CASES[field_](world)[0], "first": 1}
    name = field_.partition(".")[2]
    page = anna.ask(operation(field_), **variables)[name]
    end = page["pageInfo"]["endCursor"]
    refused = world.boris.error(operation(field_), **{**variables, "after": end})
    assert refused["extensions"]["code"] == "BAD_USER_INPUT"
    assert "after" in refused["message"]


def test_rest_routes_show_nothing_of_other_owners(world: World, client: AppClient) -> None:
    """The 404 responses are identical."""
    answers = [
        client.get(f"/v1/blobs/{blob_id}", headers=world.boris.headers)
        for blob_id in (world.blob.id, NONSENSE)
    ]
    assert [each.status_code for each in answers] == [404, 404]
    assert answers[0].text.replace(world.blob.id, NONSENSE) == answers[1].text


def test_subscriptions_deliver_nothing_of_other_owners(
    stores: EmbeddedStores, world: World
) -> None:
    """Anna's id looks absent, and her labels are not delivered."""
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
                ("Subscription.blobEvents", {"filter": {"kinds": ["LABELLED"]}}),
                ("Subscription.blobEvents", {"filter": {"blobIds": [world.promised.id]}}),
                ("Subscription.blobEvents", {"filter": {"blobIds": [NONSENSE]}}),
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
def test_key_allows_only_what_its_scopes_name(
    stores: EmbeddedStores, client: AppClient, world: World, field_: str, scope: Scope
) -> None:
    """Otherwise the whole operation is rejected with 403, whatever the path to the field."""
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
        inner = "Viewer." if field_ == "Query.viewer" else "Blob."
        assert (field_ if scope in NEEDED[field_] else inner) in error["message"]
        assert world.kept() == before
    else:
        assert answer.status_code == 200


def test_each_field_of_a_blob_needs_a_scope_unless_it_tells_nothing_of_the_contents() -> None:
    """A field that is new is guarded, or is added here."""
    open_fields = {
        *("id", "status", "contentType", "sizeBytes", "width", "height"),
        *("createdAt", "labelledAt", "deletesAt"),
    }
    guarded = {each.removeprefix("Blob.") for each in GUARDED if each.startswith("Blob.")}
    fields = set(TYPES["Blob"].fields)  # type: ignore[attr-defined]
    assert fields - guarded == open_fields
    assert all(NEEDED[f"Blob.{each}"] for each in guarded)


def test_upload_scope_shows_no_contents_of_a_blob(
    stores: EmbeddedStores, client: AppClient, world: World
) -> None:
    """Not even of a blob whose idempotencyKey it repeats; it sees that the blob exists."""
    asked = GraphQL(client, stores.key_for("anna", scopes=frozenset({Scope.UPLOAD})))
    upload = "createUpload(input: {contentType: JPEG, idempotencyKey: $key})"
    of = "mutation ($key: String!) {{ {} {{ ... on CreatedUpload {{ blob {{ {} }} }} }} }}"
    told = asked.ask(of.format(upload, "id status contentType"), key=world.key)
    assert told["createUpload"]["blob"]["id"] == world.promised.id
    similar = "similar { nodes { id } }"
    for selection in ("labels { name }", similar, "x: downloadUrl", "...F", "... on Node { ...F }"):
        text = of.format(upload, selection) + " fragment F on Blob { callback { url } }"
        if "F" not in selection:
            text = of.format(upload, selection)
        assert asked.error(text, key=world.key)["extensions"]["missingScopes"] == ["read"]


@pytest.mark.parametrize("scopes", [(), ("upload",), ("read", "edit"), tuple(Scope)])
def test_viewer_is_the_caller_whatever_its_scopes(
    stores: EmbeddedStores, client: AppClient, scopes: tuple[str, ...]
) -> None:
    asked = GraphQL(client, stores.key_for("anna", scopes=frozenset(map(Scope, scopes))))
    assert asked.ask("{ viewer { owner scopes } }")["viewer"] == {
        "owner": "anna",
        "scopes": list(scopes),
    }


@pytest.mark.parametrize(
    ("field_", "scope"),
    [
        ("Mutation.createUpload", Scope.UPLOAD),
        ("Mutation.relabelBlob", Scope.EDIT),
        ("Mutation.redeliverWebhook", Scope.EDIT),
        ("Mutation.deleteBlob", Scope.DELETE),
        ("Mutation.relabelBlobs", Scope.EDIT),
        ("Mutation.addLabels", Scope.EDIT),
        ("Mutation.removeLabels", Scope.EDIT),
        ("Mutation.confirmLabels", Scope.EDIT),
        ("Mutation.resetLabels", Scope.EDIT),
        ("Mutation.deleteBlobs", Scope.DELETE),
        ("Mutation.restoreBlobs", Scope.DELETE),
        ("Mutation.rotateWebhookSecret", Scope.ADMIN),
        ("Query.blobs", Scope.READ),
    ],
)
def test_one_scope_is_enough_for_its_operations(field_: str, scope: Scope) -> None:
    assert NEEDED[field_] == {scope}


def test_scopes_are_checked_behind_fragments_and_aliases(
    stores: EmbeddedStores, client: AppClient
) -> None:
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


def test_rest_routes_need_scopes(stores: EmbeddedStores, client: AppClient) -> None:
    """With the wording of RFC 6750."""
    reads = {"authorization": f"Bearer {stores.key_for('anna', scopes=frozenset({Scope.READ}))}"}
    sends = {"authorization": f"Bearer {stores.key_for('anna', scopes=frozenset({Scope.UPLOAD}))}"}
    refused = client.post("/v1/blobs", headers=reads)
    assert read_problem(refused, "FORBIDDEN")["missing_scopes"] == ["upload"]
    assert refused.headers["www-authenticate"] == (
        'Bearer error="insufficient_scope", scope="upload"'
    )
    made = client.post("/v1/blobs", headers=sends).json()["blob_id"]
    assert client.get(f"/v1/blobs/{made}", headers=sends).status_code == 403
    assert client.get(f"/v1/blobs/{made}", headers=reads).status_code == 200


def test_expired_key_is_rejected(stores: EmbeddedStores, client: AppClient) -> None:
    """Its holder learns since when."""
    end = stores.clock() + timedelta(hours=1)
    asked = GraphQL(client, stores.key_for("anna", expires_at=end))
    assert asked.post("{ __typename }").status_code == 200
    stores.clock.advance(timedelta(hours=1))
    answer = asked.post("{ __typename }")
    assert answer.status_code == 401
    assert "expired at 2026-01-31T13:00:00.123Z" in answer.json()["errors"][0]["message"]
