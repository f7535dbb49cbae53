"""Traces by OpenTelemetry's SDK, sent by OTLP over HTTP. The SDK is optional.

It obeys its own variables, such as `OTEL_TRACES_SAMPLER` and `OTEL_EXPORTER_OTLP_HEADERS`:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from core.runtime.logging import log_context
from core.runtime.tracing import TRACEPARENT, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry import trace

SERVICE: Final = "labelling"
# For a batch of spans, with all tries: Lambda's invocations and the stop of a service wait for it.
EXPORT_SECONDS: Final = 3.0
_PROPAGATOR: Final = TraceContextTextMapPropagator()


class OpenTelemetrySpan:
    """A span of the SDK."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        """The span's context, whether it is sampled or not."""
        known = self._span.get_span_context()
        return f"00-{known.trace_id:032x}-{known.span_id:016x}-{known.trace_flags:02x}"

    def rename(self, name: str) -> None:
        """Give the span a name that was not known at its start."""
        self._span.update_name(name)

    def set(self, attributes: Mapping[str, str | int | float | bool | None]) -> None:
        """Add attributes; those that are None are left out."""
        for name, value in attributes.items():
            if value is not None:
                self._span.set_attribute(name, value)

    def fail(self, description: str) -> None:
        """Mark the span as failed."""
        self._span.set_status(Status(StatusCode.ERROR, description))


class OpenTelemetryTracer:
    """Opens spans of a provider. Lines that are logged in a span have its `trace_id`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE)

    @contextmanager
    def span(
        self, name: str, kind: Kind = Kind.INTERNAL, *, parent: str | None = None
    ) -> Iterator[OpenTelemetrySpan]:
        """Open a span for the length of a `with` block; see `Tracer.span`."""
        context = _PROPAGATOR.extract({TRACEPARENT: parent}, Context()) if parent else None
        with self._tracer.start_as_current_span(
            name, context or None, SpanKind[kind.value]
        ) as opened:
            trace_id = f"{opened.get_span_context().trace_id:032x}"
            with log_context(trace_id=trace_id):
                yield OpenTelemetrySpan(opened)

    def flush(self) -> None:
        """Send the ended spans that were not sent yet."""
        self._provider.force_flush()

    def close(self) -> None:
        """Send the ended spans and stop."""
        self._provider.shutdown()


def build_tracer(endpoint: str) -> OpenTelemetryTracer:
    """Make a tracer that sends to an OTLP endpoint, in the background."""
    # The variables take precedence over our name, and the defaults of the SDK are below both.
    resource = Resource.create({"service.name": SERVICE}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource)
    url = f"{endpoint.rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OpenTelemetryTracer(provider)
