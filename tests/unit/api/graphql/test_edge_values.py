"""Every scalar and argument at its edges: no value of a client causes an internal error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    get_nullable_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)
from hypothesis import event, given
from hypothesis import strategies as st

from api.auth.caller import Caller
from api.graphql.context import Context
from api.graphql.execution.documents import Documents
from api.graphql.schema import schema
from api.limits import MAX_REQUEST
from api.websocket import protocol
from api.websocket.execution import messages_of
from core.domain.blob import Blob
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import EmbeddedStores
from tests.unit.api.conftest import Serve

CORE = schema._schema
ROOTS = {
    "query": CORE.query_type,
    "mutation": CORE.mutation_type,
    "subscription": CORE.subscription_type,
}
CLIENT_ERRORS = {
    "BAD_REQUEST",
    "BAD_USER_INPUT",
    "GRAPHQL_PARSE_FAILED",
    "GRAPHQL_VALIDATION_FAILED",
    "LIMIT_EXCEEDED",
    "TOO_LARGE",
}
FIELDS = [(kind, name) for kind, root in ROOTS.items() if root for name in root.fields]
SUBSCRIPTIONS = [name for kind, name in FIELDS if kind == "subscription"]


class Literal(str):
    """A literal of GraphQL that JSON has no equal for, or none of the same digits."""

    __slots__ = ()


NUMBERS = [
    *(0, 1, -1, 100, 101, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**53, 2**63, 2**64),
    *(10**308, 10**309, -(10**400), 10**4200),
    *(0.5, -0.0, 5e-324, 1e308, 1.0, 100.0000001),
    *(Literal("-0"), Literal("1e309"), Literal("-1e400000"), Literal("1e-400000")),
    *(Literal("9" * digits) for digits in (19, 400, 4300, 4301, 48_000)),
    *(Literal("-" + "9" * 48_000), Literal("1." + "3" * 40_000), Literal("9" * 40_000 + ".5")),
]
TEXTS = [
    *(
        "",
        " ",
        "a",
        "\0",
        "\ud800",
        "a\udfff",
        "\U0010ffff",
        "\u202e",
        "ß" * 100,
        "İ",
        "\ufb03" * 400,
    ),
    *("'", '"', "\\", "%", "_", "*", "a/b", "blob#x", "\n", "\U0001d7d9", "x" * 3000, "٣", "NaN"),
]
TIMES = [
    *("0001-01-01T00:00:00.000+23:59", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999-23:59"),
    *("9999-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z"),
    *("10889-08-02T05:31:50.655Z", "2026-02-29T00:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31"),
    *(
        "2026-01-31T23:59:60.000Z",
        "2026-W05-6T12:00:00Z",
        "20260131T120000Z",
        "2026-01-31T12:00:00",
    ),
    *("2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00.123456789Z", "\uff12026-01-31T12:00:00Z"),
    *("2026-01-31T12:00:00+00:00:00.000001", "2026-01-31 12:00Z", "-001-01-01T00:00:00Z"),
]
URLS = [
    *(
        "https://",
        "https://[",
        "https://[::1]/",
        "https://[v1.x]/",
        "https://a:99999999999/",
        "//a",
    ),
    *(
        "https://a:/",
        "https://a:٣/",
        "https://u:p@a/",
        "https://a b/",
        "https://a/\ud800",
        "http:a",
    ),
    *("https://xn--/", "https://" + "a" * 70 + ".b/", "https://" + "a." * 200, "https://1.2.3/"),
    *(
        "https://a/\r\nx: y",
        "https://\uff41.example/",
        "https://%00/",
        "https://[fe80::1%25x]/",
        "x://a",
    ),
    *("https://example.org/" + "x" * 3000, "https://4294967296/", "https://0x7f.1/", "https://。/"),
]
OTHERS: list[Any] = [None, True, [], [None], {}, {"a": 1}, [[]], [1, "a"], 0, "a"]


def scalar(name: str) -> list[Any]:
    """Return values at the edges of a scalar, and of others."""
    texts = TEXTS + (TIMES if name == "DateTime" else URLS if name == "Url" else [])
    if name in ("Int", "Float"):
        return NUMBERS * 3 + TEXTS[:4] + OTHERS
    return texts * 3 + NUMBERS + OTHERS


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Return values for an input type, most of them of its shape."""
    kind = get_nullable_type(kind)
    odd = st.sampled_from(OTHERS)
    if is_list_type(kind):
        item = values(kind.of_type)
        return st.one_of(st.lists(item, max_size=3), item, item.map(lambda each: [each] * 101), odd)
    if isinstance(kind, GraphQLInputObjectType):
        known = {name: values(field.type) for name, field in kind.fields.items()}
        required = {n: known.pop(n) for n, f in kind.fields.items() if is_required_input_field(f)}
        return st.one_of(st.fixed_dictionaries(required, optional=known), odd)
    if isinstance(kind, GraphQLEnumType):
        names = [Literal(name) for name in kind.values]
        return st.sampled_from([*names * 3, *kind.values, Literal("NONE"), *OTHERS])
    return st.sampled_from(scalar(kind.name))


def written(value: Any) -> str:
    """Return a value as a literal of GraphQL."""
    if isinstance(value, Literal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {written(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    return json.dumps(value, ensure_ascii=False)


def as_json(value: Any) -> str:
    """Return a value as JSON, with the digits of literals."""
    if isinstance(value, Literal):
        return str(value) if value[0] in "-123456789" else json.dumps(str(value))
    if isinstance(value, dict):
        parts = (f"{json.dumps(name)}: {as_json(each)}" for name, each in value.items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(as_json, value))}]"
    return json.dumps(value)


@st.composite
def requests(draw: Any, kind: str, name: str) -> bytes:
    """Return the body of a request for a root field, with arguments as literals or variables."""
    root = ROOTS[kind]
    assert root
    arguments, declared, variables = [], [], []
    for argument, definition in root.fields[name].args.items():
        if not is_required_argument(definition) and draw(st.booleans()):
            continue
        value = draw(values(definition.type))
        if draw(st.booleans()):
            declared.append(f"${argument}: {definition.type}")
            arguments.append(f"{argument}: ${argument}")
            variables.append(f"{json.dumps(argument)}: {as_json(value)}")
        else:
            arguments.append(f"{argument}: {written(value)}")
    head = f"{kind} ({', '.join(declared)})" if declared else kind
    call = f"{name}({', '.join(arguments)})" if arguments else name
    text = f"{head} {{ {call} {{ __typename }} }}"
    body = f'{{"query": {json.dumps(text)}, "variables": {{{", ".join(variables)}}}}}'
    return body.encode()


@pytest.fixture
def owned(stores: EmbeddedStores, serve: Serve) -> GraphQL:
    """The API, whose owner needs no key."""
    stores.labelled()
    return serve()


@pytest.mark.parametrize(
    ("kind", "name"), [each for each in FIELDS if each[1] not in SUBSCRIPTIONS]
)
@given(data=st.data())
def test_no_value_of_an_argument_causes_an_internal_error(
    owned: GraphQL, kind: str, name: str, data: st.DataObject
) -> None:
    """Every response has data or an error of the client."""
    check(owned, data.draw(requests(kind, name)))


class NoChanges:
    """A `PubSub` without changes."""

    @asynccontextmanager
    async def listen(self, _topic: str) -> AsyncIterator[AsyncIterator[Blob | None]]:
        yield self._none()

    async def _none(self) -> AsyncIterator[Blob | None]:
        for blob in ():
            yield blob


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
@given(data=st.data())
def test_no_value_of_a_subscription_causes_an_internal_error(
    stores: EmbeddedStores, name: str, data: st.DataObject
) -> None:
    """Over a WebSocket: every message has data or an error of the client."""
    payload = data.draw(requests("subscription", name)).decode()
    text = f'{{"type": "subscribe", "id": "1", "payload": {payload}}}'
    try:
        request = protocol.read(text, MAX_REQUEST)
    except protocol.Closed:
        return
    assert isinstance(request, protocol.Subscribe)
    services = replace(stores.services(), pubsub=NoChanges())
    context = Context(services, Caller("anna"), Documents(CORE), "request")

    async def execute() -> list[str]:
        return [each async for each in messages_of(context, request, 5)]

    messages = "".join(asyncio.run(execute()))
    assert "INTERNAL_SERVER_ERROR" not in messages, payload[:300]


@pytest.mark.parametrize(
    "text",
    [
        f"{{ blobs(first: {'9' * 48_000}) {{ nodes {{ id }} }} }}",
        f"query ($n: Int! = -{'9' * 4301}) {{ blobs(first: $n) {{ nodes {{ id }} }} }}",
        f"{{ blobsByLabel(label: {'9' * 4301}) {{ nodes {{ id }} }} }}",
        f"{{ blobs(filter: {{createdAfter: {'9' * 4301}}}) {{ nodes {{ id }} }} }}",
        f"{{ __typename @skip(if: {'1' * 1001}) }}",
    ],
    ids=lambda text: text[:40],
)
def test_number_with_too_many_digits_is_a_client_error(owned: GraphQL, text: str) -> None:
    """Python reads no integer of more than 4300 digits."""
    error = owned.error(text)
    assert error["message"] == "A number has more than 1000 digits."
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert error["locations"]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00.000+23:59", "9999-12-31T23:59:59.000-00:01"])
@pytest.mark.parametrize("field", ["createdAfter", "createdBefore"])
def test_time_that_has_no_date_in_utc_is_a_client_error(
    owned: GraphQL, field: str, text: str
) -> None:
    query = f'{{ blobs(filter: {{{field}: "{text}"}}) {{ nodes {{ id }} }} }}'
    assert "between the years 1 and 9999" in owned.error(query)["message"]
    variable = "query ($f: BlobFilter) { blobs(filter: $f) { nodes { id } } }"
    error = owned.post(variable, f={field: text}).json()["errors"][0]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


def check(client: GraphQL, body: bytes) -> None:
    answer = client.client.post(
        "/graphql", content=body, headers={"content-type": "application/json"}
    )
    shown = body[:300]
    assert answer.status_code < 500, shown
    codes = {each["extensions"]["code"] for each in answer.json().get("errors", [])}
    event(", ".join(sorted(codes)) or "data")
    assert "INTERNAL_SERVER_ERROR" not in codes, shown
    assert codes <= CLIENT_ERRORS
