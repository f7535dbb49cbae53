"""Spans of OpenTelemetry, kept in memory or received by OTLP over HTTP."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from core.runtime.opentelemetry import OpenTelemetryTracer
from tests.support.waiting import wait_until

CLIENT_TRACE = "0af7651916cd43dd8448eb211c80319c"
CLIENT_SPAN = "b7ad6b7169203331"
TRACEPARENT = f"00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"


class Spans:
    """A tracer, and the spans that ended."""

    def __init__(self, sampler: sampling.Sampler = sampling.DEFAULT_ON) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = OpenTelemetryTracer(provider)

    def ended(self, name: str | None = None) -> list[ReadableSpan]:
        """Return the spans of a name, or all, in the order of their ends."""
        found = self._exporter.get_finished_spans()
        return [each for each in found if name in (None, each.name)]

    def one(self, name: str) -> ReadableSpan:
        """Return the only span of a name."""
        (span,) = self.ended(name)
        return span


def parent_of(span: ReadableSpan) -> str | None:
    """Return the `traceparent` of a span's parent."""
    parent = span.parent
    if parent is None:
        return None
    return f"00-{parent.trace_id:032x}-{parent.span_id:016x}-{parent.trace_flags:02x}"


@dataclass(frozen=True)
class Sent:
    """A span as it was sent, with ids in hexadecimal; `parent` is empty for a root."""

    trace: str
    id: str
    parent: str
    name: str
    attributes: dict[str, Any]
    failed: bool
    service: str


class OtlpReceiver:
    """Receives spans on loopback, as an OpenTelemetry collector does.

    https://opentelemetry.io/docs/specs/otlp/#otlphttp-request
    """

    def __init__(self) -> None:
        self.spans: list[Sent] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/traces"
                assert self.headers["content-type"] == "application/x-protobuf"
                receiver.spans += spans_in(body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def of_trace(self, trace: str, *names: str) -> dict[str, Sent]:
        """Wait for spans of a trace; return the last of each name."""
        return wait_until(lambda: self._found(trace, names))

    def _found(self, trace: str, names: tuple[str, ...]) -> dict[str, Sent]:
        found = {each.name: each for each in self.spans if each.trace == trace}
        return found if set(names) <= set(found) else {}


def spans_in(body: bytes) -> list[Sent]:
    """Return the spans of a request's body."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        Sent(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            span.name,
            values_of(span.attributes),
            span.status.code == span.status.STATUS_CODE_ERROR,
            values_of(group.resource.attributes)["service.name"],
        )
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def values_of(attributes: Any) -> dict[str, Any]:
    """Return attributes of a message as a dict."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
