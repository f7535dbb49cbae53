"""Spans of webhook attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.trace import StatusCode

from core.domain.delivery import TEST_VERSION, Delivery, delivery_id
from core.domain.owner import Owner, WebhookSecret, new_secret
from core.runtime.tracing import no_tracer
from notifier.attempt_trace import no_trace, trace_attempts
from notifier.delivery import Deliverer
from notifier.http.client import Response, SendError
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.spans import CLIENT_TRACE, TRACEPARENT, Spans, parent_of


class Owners:
    """Every owner has one secret."""

    def get_or_create(self, owner_id: str) -> Owner:
        return Owner(owner_id, (WebhookSecret(new_secret()),))


class Sender:
    """Answers with the steps of a script, one for each webhook; keeps the headers."""

    def __init__(self, *script: Response | SendError) -> None:
        self.script = list(script)
        self.headers: list[dict[str, str]] = []

    def post(self, url: str, headers: Any, body: bytes) -> Response:
        self.headers.append(dict(headers))
        step = self.script.pop(0)
        if isinstance(step, SendError):
            raise step
        return step


class Middle:
    """No jitter."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@pytest.fixture
def spans() -> Spans:
    return Spans()


def attempt(
    stores: EmbeddedStores,
    spans: Spans,
    *script: Response | SendError,
    send_context: bool = False,
    version: int = 3,
    traceparent: str | None = TRACEPARENT,
) -> Sender:
    """Attempt a delivery until the script ends."""
    blob = stores.labelled(traceparent=traceparent)
    now = stores.clock()
    url = "https://example.test/hook?token=secret"
    stores.deliveries.add(
        Delivery(delivery_id(blob.id, version), blob.id, "anna", url, b"{}", now, now)
    )
    sender = Sender(*script)
    deliverer = Deliverer(
        stores.deliveries,
        Owners(),
        sender,
        stores.clock,
        Middle(),
        lease_duration=timedelta(seconds=30),
        trace=trace_attempts(spans.tracer, stores.blobs, send_context=send_context),
    )
    while sender.script:
        deliverer.attempt(delivery_id(blob.id, version))
        stores.clock.advance(timedelta(days=1))
    return sender


def test_each_attempt_is_a_span_of_the_blobs_trace(stores: EmbeddedStores, spans: Spans) -> None:
    error = SendError("timeout", "no response")
    attempt(stores, spans, Response(500, None, b""), error, Response(204, None, b""))
    found = spans.ended("webhook")
    assert {parent_of(each) for each in found} == {TRACEPARENT}
    assert {each.kind.name for each in found} == {"CLIENT"}
    attributes = [dict(each.attributes or {}) for each in found]
    assert [each["labelling.webhook.attempt"] for each in attributes] == [1, 2, 3]
    assert [each.get("http.response.status_code") for each in attributes] == [500, None, 204]
    assert [each.get("error.type") for each in attributes] == ["500", "timeout", None]
    failed, unset = StatusCode.ERROR, StatusCode.UNSET
    assert [each.status.status_code for each in found] == [failed, failed, unset]
    assert attributes[0]["server.address"] == "example.test"
    assert "secret" not in repr(attributes)  # a query may hold the receiver's password


def test_receiver_gets_the_context_of_the_attempts_span(
    stores: EmbeddedStores, spans: Spans
) -> None:
    sender = attempt(stores, spans, Response(204, None, b""), send_context=True)
    span_id = spans.one("webhook").get_span_context().span_id
    assert sender.headers[0]["traceparent"] == f"00-{CLIENT_TRACE}-{span_id:016x}-01"


def test_receiver_gets_no_context_unless_it_is_wanted(stores: EmbeddedStores, spans: Spans) -> None:
    sender = attempt(stores, spans, Response(204, None, b""))
    assert "traceparent" not in sender.headers[0]


def test_test_event_is_a_trace_of_its_own(stores: EmbeddedStores, spans: Spans) -> None:
    attempt(stores, spans, Response(204, None, b""), version=TEST_VERSION)
    span = spans.one("webhook")
    assert parent_of(span) is None
    assert "labelling.blob.id" not in (span.attributes or {})


def test_blob_of_a_time_without_traces_has_a_trace_from_here_on(
    stores: EmbeddedStores, spans: Spans
) -> None:
    attempt(stores, spans, Response(204, None, b""), traceparent=None)
    assert parent_of(spans.one("webhook")) is None


def test_without_traces_no_blob_is_read(stores: EmbeddedStores) -> None:
    assert trace_attempts(no_tracer, stores.blobs, send_context=True) is no_trace
