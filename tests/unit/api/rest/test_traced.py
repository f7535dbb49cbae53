"""Spans of requests to the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from api.rest.app import create_app
from api.rest.traced import traced
from core.domain.errors import Unavailable
from core.runtime.tracing import no_tracer
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.spans import CLIENT_TRACE, TRACEPARENT, Spans, parent_of

CREATE = """
mutation Upload($type: ImageType!) {
  createUpload(input: {contentType: $type}) { __typename ... on CreatedUpload { blob { id } } }
}
"""


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def client(stores: EmbeddedStores, spans: Spans) -> Iterator[AppClient]:
    services = replace(stores.services("local"), tracer=spans.tracer)
    with AppClient(traced(create_app(services), spans.tracer)) as client:
        yield client


def create(client: AppClient, **headers: str) -> str:
    body = {"query": CREATE, "variables": {"type": "PNG"}}
    answer = client.post("/graphql", json=body, headers=headers).json()
    blob_id: str = answer["data"]["createUpload"]["blob"]["id"]
    return blob_id


def test_upload_belongs_to_the_clients_trace(
    client: AppClient, stores: EmbeddedStores, spans: Spans
) -> None:
    """The blob keeps the context of the span of createUpload."""
    blob_id = create(client, traceparent=TRACEPARENT)
    request, created = spans.one("POST /graphql"), spans.one("createUpload")
    assert parent_of(request) == TRACEPARENT
    assert request.kind.name == "SERVER"
    assert created.parent == request.get_span_context()
    assert (created.attributes or {})["labelling.blob.id"] == blob_id
    blob = stores.blobs.get(blob_id)
    assert blob is not None
    span_id = created.get_span_context().span_id
    assert blob.traceparent == f"00-{CLIENT_TRACE}-{span_id:016x}-01"
    attributes = dict(request.attributes or {})
    assert attributes["http.response.status_code"] == 200
    assert attributes["http.route"] == "/graphql"


def test_upload_without_a_clients_trace_starts_one(client: AppClient, spans: Spans) -> None:
    create(client)
    create(client)
    first, second = spans.ended("POST /graphql")
    assert parent_of(first) is parent_of(second) is None
    assert first.get_span_context().trace_id != second.get_span_context().trace_id


def test_repeated_idempotency_key_keeps_the_first_trace(
    client: AppClient, stores: EmbeddedStores
) -> None:
    body = {
        "query": 'mutation { createUpload(input: {contentType: PNG, idempotencyKey: "a"})'
        " { ... on CreatedUpload { blob { id } } } }"
    }
    first = client.post("/graphql", json=body, headers={"traceparent": TRACEPARENT}).json()
    assert client.post("/graphql", json=body).json() == first
    blob = stores.blobs.get(first["data"]["createUpload"]["blob"]["id"])
    assert blob is not None
    assert (blob.traceparent or "")[3:35] == CLIENT_TRACE


@pytest.mark.parametrize("path", ["/v1/blobs", "/blobs"])
def test_rest_request_is_named_by_its_route(client: AppClient, spans: Spans, path: str) -> None:
    """By one name, whether the client uses the earlier one or not; the path is the client's."""
    made = client.post(path).json()
    client.get(f"{path}/{made['blob_id']}")
    assert [each.name for each in spans.ended()] == [
        "createUpload",
        "POST /v1/blobs",
        "GET /v1/blobs/{blob_id}",
    ]
    attributes = dict(spans.one("POST /v1/blobs").attributes or {})
    assert (attributes["http.route"], attributes["url.path"]) == ("/v1/blobs", path)


def test_two_contexts_are_none(client: AppClient, spans: Spans) -> None:
    """W3C Trace Context, 2.2.1: several traceparent headers are invalid."""
    headers = [("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)]
    client.post("/graphql", json={"query": "{ __typename }"}, headers=headers)
    assert parent_of(spans.one("POST /graphql")) is None


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/originals/anna/01ARYZ"])
def test_other_paths_have_no_span(client: AppClient, spans: Spans, path: str) -> None:
    client.get(path)
    assert spans.ended() == []


def test_fault_of_the_service_fails_the_span(stores: EmbeddedStores, spans: Spans) -> None:
    async def refuse(_: str | None) -> Any:
        raise Unavailable("not now")

    services = replace(stores.services(), authenticate=refuse, tracer=spans.tracer)
    with AppClient(traced(create_app(services), spans.tracer)) as client:
        assert client.get("/v1/blobs/01ARYZ6S41TSV4RRFFQ69G5FAV").status_code == 503
        assert client.get("/v1/nothing").status_code == 404
    fault, missing = spans.ended()
    assert fault.status.status_code is StatusCode.ERROR
    assert missing.status.status_code is StatusCode.UNSET
    assert missing.name == "GET"


def test_without_traces_nothing_stands_before_the_application(stores: EmbeddedStores) -> None:
    app = create_app(stores.services())
    assert traced(app, no_tracer) is app


def test_without_traces_a_clients_context_is_not_kept(stores: EmbeddedStores) -> None:
    with AppClient(create_app(stores.services("local"))) as client:
        blob_id = create(client, traceparent=TRACEPARENT)
    blob = stores.blobs.get(blob_id)
    assert blob is not None
    assert blob.traceparent is None


def test_context_is_shown_to_nobody(client: AppClient, stores: EmbeddedStores) -> None:
    blob_id = create(client, traceparent=TRACEPARENT)
    assert CLIENT_TRACE not in json.dumps(client.get(f"/v1/blobs/{blob_id}").json())
