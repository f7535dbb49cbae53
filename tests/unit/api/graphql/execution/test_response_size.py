"""No response is larger than Lambda returns, on any transport."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from graphql import parse

from api.bootstrap import App, as_lambda_handler
from api.graphql.context import Context
from api.graphql.execution.documents import Documents
from api.graphql.execution.query_cost import LONG_TEXTS, Limits
from api.graphql.execution.response_size import is_too_large, too_large
from api.graphql.http.app import GraphQLApp
from api.graphql.schema import schema
from api.limits import MAX_RESPONSE
from api.services.dependencies import Services
from api.websocket import protocol
from api.websocket.execution import messages_of
from core.domain.clock import epoch_ms
from core.domain.delivery import MAX_ATTEMPTS_KEPT, Delivery, delivery_id
from core.runtime.json import write_json
from embedded.http.sse import StreamingGraphQLApp
from embedded.limits.concurrency import Concurrency
from embedded.settings import Settings
from notifier.http.client import MAX_RESPONSE_BYTES
from tests.support.aws.http_api import http_api_event
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

# AWS Lambda Developer Guide, "Lambda quotas": of a synchronous response.
LAMBDA_RESPONSE = 6 * 1024 * 1024
HOOK = "https://example.org/hook"
PAGE = """
query ($first: Int!) {
  blobs(first: $first) { nodes { id callback { attempts { responseBody error } } } }
}
"""
BODIES = (
    b"x" * MAX_RESPONSE_BYTES,
    b'"' * MAX_RESPONSE_BYTES,
    b"\x01" * MAX_RESPONSE_BYTES,
    "é".encode() * (MAX_RESPONSE_BYTES // 2),
)


@pytest.fixture
def full(stores: EmbeddedStores) -> EmbeddedStores:
    """Have 100 blobs with as many attempts as are kept, each with as long a response as is kept."""
    rows = []
    for number in range(100):
        blob = stores.labelled("anna", callback_url=HOOK)
        now = stores.clock()
        name = delivery_id(blob.id, blob.version)
        stores.deliveries.add(Delivery(name, blob.id, "anna", HOOK, b"{}", now, now))
        at, body = epoch_ms(now), BODIES[number % len(BODIES)]
        rows += [(name, each, at, at, 500, "status", body) for each in range(1, 12)]
    assert len(rows) == 100 * (MAX_ATTEMPTS_KEPT + 1)
    with stores.database.write() as connection:
        connection.executemany(
            "INSERT INTO attempts (delivery_id, number, started, ended, status, error, response)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    return stores


def assert_refused(answer: dict[str, Any]) -> None:
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["message"].startswith("The response has more than 5.5 MB. Request fewer fields")
    assert error["extensions"] == {
        "code": "LIMIT_EXCEEDED",
        "limit": "response_bytes",
        "most": MAX_RESPONSE,
    }


@pytest.fixture
def event_loop_of_mangum() -> Iterator[None]:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.mark.usefixtures("event_loop_of_mangum")
def test_a_page_over_the_limit_is_an_error_everywhere(full: EmbeddedStores) -> None:
    services = full.services("anna")
    app = App(services, GraphQLApp(services))
    on_lambda = as_lambda_handler(app)
    sizes = []
    with AppClient(app) as client:
        for first in (1, 20, 50, 100):
            content = {"query": PAGE, "variables": {"first": first}}
            here = client.post("/graphql", json=content)
            event = http_api_event(
                "POST", "/graphql", {"content-type": "application/json"}, json.dumps(content)
            )
            there = on_lambda(event, SimpleNamespace(aws_request_id="1"))

            assert here.status_code == there["statusCode"] == 200
            assert here.json() == json.loads(there["body"])
            returned = json.dumps(there, ensure_ascii=False).encode()  # as Lambda's client does
            assert len(returned) < LAMBDA_RESPONSE
            sizes.append(len(here.content))
            if here.json().get("errors"):
                assert_refused(here.json())
                assert here.json()["extensions"]["cost"]["requested"] > 100
            else:
                assert len(here.json()["data"]["blobs"]["nodes"]) == first
    assert sizes[0] < sizes[1] < MAX_RESPONSE, "small pages are sent"
    assert sizes[3] < 1000
    every_transport_sends_the_error(services)


def every_transport_sends_the_error(services: Services) -> None:
    query = PAGE.replace("query ($first: Int!)", "").replace("$first", "100")

    with AppClient(
        StreamingGraphQLApp(services, subscriptions=Concurrency(Settings()).subscriptions)
    ) as client:
        for accept in ("application/graphql-response+json", "application/json"):
            plain = client.post("/graphql", json={"query": query}, headers={"accept": accept})
            assert plain.status_code == 200
            assert_refused(plain.json())
        stream = client.post(
            "/graphql", json={"query": query}, headers={"accept": "text/event-stream"}
        )
    event = stream.text.partition("data: ")[2].partition("\n")[0]
    assert stream.status_code == 200
    assert_refused(json.loads(event))

    async def over_websocket() -> list[str]:
        caller = await services.authenticate(None)
        context = Context(services, caller, Documents(schema._schema), "1")
        request = protocol.Subscribe("1", query)
        return [message async for message in messages_of(context, request, 30)]

    message, end = map(json.loads, asyncio.run(over_websocket()))
    assert (message["type"], end["type"]) == ("next", "complete")
    assert_refused(message["payload"])


def test_a_multipart_event_has_the_error_as_its_payload() -> None:
    app = StreamingGraphQLApp(
        SimpleNamespace(), subscriptions=Concurrency(Settings()).subscriptions
    )
    event = {"payload": {"data": {"a": "x" * MAX_RESPONSE}, "extensions": {"cost": 1}}}

    written = json.loads(app.encode_json_string(event))

    assert_refused(written["payload"])
    assert written["payload"]["extensions"] == {"cost": 1}
    assert json.loads(app.encode_json_string({})) == {}


@pytest.mark.parametrize("text", ["x", '"', "\\", "\x01", "é", "€", "\ud83d"])
def test_the_limit_counts_bytes_as_lambda_returns_them(text: str) -> None:
    def returned(times: int) -> int:
        body = write_json(text * times).decode()
        return len(json.dumps(body, ensure_ascii=False).encode()) - 2

    each = returned(2) - returned(1)
    most = (MAX_RESPONSE - returned(0)) // each
    for times, expected in ((1, False), (most, False), (most + 1, True)):
        written = write_json(text * times)
        assert is_too_large(written) is is_too_large(written.decode()) is expected


def test_the_error_is_small() -> None:
    assert len(json.dumps(too_large({"data": "x" * MAX_RESPONSE}))) < 1000


def test_the_cost_counts_the_length_of_response_bodies() -> None:
    assert LONG_TEXTS["WebhookAttempt.responseBody"] == MAX_RESPONSE_BYTES
    documents = Documents(schema._schema)

    def cost(query: str) -> int:
        document = documents.keep(query, parse(query))
        found, errors = documents.check(document, None, {"first": 100})
        assert found is not None
        assert errors == []
        return found

    attempts = 100 * 5
    bodies = MAX_RESPONSE_BYTES // 512
    assert cost(PAGE) == cost(PAGE.replace("responseBody", "at")) + attempts * bodies
    assert cost(PAGE) < Limits().cost
