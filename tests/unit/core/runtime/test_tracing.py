"""Spans, with OpenTelemetry's SDK and without."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import StatusCode

from core.runtime.logging import AddLogContext
from core.runtime.settings import BadSetting
from core.runtime.trace_settings import build_tracer
from core.runtime.tracing import Kind, no_tracer
from tests.support.spans import CLIENT_TRACE, TRACEPARENT, OtlpReceiver, Spans, parent_of

log = logging.getLogger("core.any")


def is_sampled(context: str) -> bool:
    """W3C Trace Context, 3.2.2.5.1: the lowest bit of the flags."""
    return bool(int(context[-2:], 16) & 1)


def test_without_traces_each_span_is_the_same_object() -> None:
    first = no_tracer.span("one")
    assert no_tracer.span("other", Kind.SERVER, parent=TRACEPARENT) is first
    with first as span, first as again:
        assert span is again
        span.set({"a": 1})
        span.rename("b")
        span.fail("c")
        assert span.traceparent is None
    no_tracer.flush()
    no_tracer.close()


def test_exception_in_a_span_is_raised_without_traces() -> None:
    with pytest.raises(ValueError, match="mine"), no_tracer.span("one"):
        raise ValueError("mine")


@pytest.mark.slow
def test_opentelemetry_is_not_loaded_without_traces() -> None:
    """FastAPI may load its API, but nothing loads the SDK."""
    program = (
        "import sys, embedded.serve, api.bootstrap, labeller.lambda_handler, "
        "notifier.lambda_handler;"
        "from core.runtime.trace_settings import build_tracer;"
        "build_tracer('');"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert run.stdout == b"[]\n"


def test_span_is_a_child_of_the_given_context() -> None:
    spans = Spans()
    with spans.tracer.span("work", Kind.CONSUMER, parent=TRACEPARENT) as span:
        context = span.traceparent
    ended = spans.one("work")
    assert parent_of(ended) == TRACEPARENT
    assert ended.kind.name == "CONSUMER"
    assert context == f"00-{CLIENT_TRACE}-{ended.get_span_context().span_id:016x}-01"


def test_span_without_a_context_is_a_child_of_the_span_around_it() -> None:
    spans = Spans()
    with spans.tracer.span("outer") as outer:
        expected = outer.traceparent
        with spans.tracer.span("inner"):
            pass
    assert parent_of(spans.one("inner")) == expected
    assert parent_of(spans.one("outer")) is None


@pytest.mark.parametrize(
    "context",
    [
        "nonsense",
        "",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{CLIENT_TRACE}-{'0' * 16}-01",
        f"ff-{CLIENT_TRACE}-b7ad6b7169203331-01",
        f"00-{CLIENT_TRACE}-b7ad6b7169203331-01-more",
        f"{TRACEPARENT}, {TRACEPARENT}",
        "é" * 10_000,
    ],
)
def test_malformed_context_starts_a_new_trace(context: str) -> None:
    """W3C Trace Context, 3.2.2.3: a traceparent that cannot be parsed is ignored."""
    spans = Spans()
    with spans.tracer.span("work", parent=context):
        pass
    assert parent_of(spans.one("work")) is None


def test_unsampled_trace_stays_unsampled_where_it_goes_on() -> None:
    spans = Spans()
    with spans.tracer.span("work", parent=TRACEPARENT[:-2] + "00") as span:
        context = span.traceparent
    assert context[:35] == TRACEPARENT[:35]
    assert not is_sampled(context)
    assert spans.ended() == []
    unsampled = Spans(sampling.ALWAYS_OFF)
    with unsampled.tracer.span("other") as span:
        assert not is_sampled(span.traceparent)


def test_span_has_its_attributes_and_its_later_name() -> None:
    spans = Spans()
    with spans.tracer.span("work") as span:
        span.set({"text": "a", "number": 1, "nothing": None})
        span.rename("other")
    assert dict(spans.one("other").attributes or {}) == {"text": "a", "number": 1}


def test_exception_and_failure_mark_a_span() -> None:
    spans = Spans()
    with pytest.raises(ValueError, match="mine"), spans.tracer.span("raised"):
        raise ValueError("mine")
    with spans.tracer.span("marked") as span:
        span.fail("status 500")
    raised, marked = spans.one("raised"), spans.one("marked")
    assert raised.status.status_code is marked.status.status_code is StatusCode.ERROR
    assert [event.name for event in raised.events] == ["exception"]
    assert marked.status.description == "status 500"


def test_log_lines_in_a_span_have_its_trace_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(AddLogContext())
    spans = Spans()
    with caplog.at_level(logging.INFO), spans.tracer.span("work", parent=TRACEPARENT):
        log.info("within")
    log.warning("after")
    within, after = caplog.records
    assert vars(within)["trace_id"] == CLIENT_TRACE
    assert "trace_id" not in vars(after)


def test_spans_are_sent_by_otlp() -> None:
    with OtlpReceiver() as receiver:
        tracer = build_tracer(receiver.url + "/")
        with tracer.span("work", parent=TRACEPARENT) as span:
            span.set({"labelling.blob.id": "01ARYZ", "number": 3})
        tracer.flush()
        (sent,) = receiver.spans
        assert (sent.trace, sent.name, sent.service) == (CLIENT_TRACE, "work", "labelling")
        assert sent.attributes == {"labelling.blob.id": "01ARYZ", "number": 3}
        with tracer.span("last"):
            pass
        tracer.close()
        assert [each.name for each in receiver.spans] == ["work", "last"]


def test_service_name_of_the_environment_takes_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "labels-of-anna")
    with OtlpReceiver() as receiver:
        tracer = build_tracer(receiver.url)
        with tracer.span("work"):
            pass
        tracer.close()
        assert receiver.spans[0].service == "labels-of-anna"


def test_collector_that_is_gone_costs_its_spans_alone(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))  # never listens
        tracer = build_tracer(f"http://127.0.0.1:{refusing.getsockname()[1]}")
        with tracer.span("work"):
            pass
        tracer.close()
    assert "Failed to export" in caplog.text


def test_no_endpoint_means_no_traces() -> None:
    assert build_tracer("") is no_tracer


@pytest.mark.parametrize("endpoint", ["localhost:4318", "grpc://a:4317", "http://", "http://a b"])
def test_endpoint_that_is_not_a_url_is_refused(endpoint: str) -> None:
    with pytest.raises(BadSetting, match="give a URL such as"):
        build_tracer(endpoint)


def test_missing_sdk_is_reported_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "core.runtime.opentelemetry", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    runtime: Any = sys.modules["core.runtime"]
    monkeypatch.delattr(runtime, "opentelemetry", raising=False)
    with pytest.raises(BadSetting, match=r"pip install labelling\[traces\]"):
        build_tracer("http://127.0.0.1:4318")
