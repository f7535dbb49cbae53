"""Spans of webhook attempts, in the traces of their blobs."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from core.runtime.tracing import BLOB_ID, TRACEPARENT, Kind, no_tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from core.domain.delivery import Claim
    from core.repositories.ports.blobs import BlobRepository
    from core.runtime.tracing import Span, Tracer

    TraceAttempt = Callable[[Claim], AbstractContextManager["AttemptSpan"]]


class AttemptSpan:
    """The span of one attempt; `headers` are those that the webhook gets because of it."""

    def __init__(self, span: Span | None = None, headers: Mapping[str, str] | None = None) -> None:
        self.headers: Mapping[str, str] = headers or {}
        self._span = span

    def end(self, status: int | None, error: str | None, address: str | None) -> None:
        """Record the outcome: the response's status, the class of the error, the receiver's IP."""
        if self._span is None:
            return
        self._span.set(
            {
                "http.response.status_code": status,
                "error.type": str(status) if error == "status" else error,
                "network.peer.address": address,
            }
        )
        if error is not None:
            self._span.fail(error)


_NO_SPAN: Final = nullcontext(AttemptSpan())


def no_trace(_claim: Claim) -> AbstractContextManager[AttemptSpan]:
    """Return a block without a span."""
    return _NO_SPAN


def trace_attempts(tracer: Tracer, blobs: BlobRepository, *, send_context: bool) -> TraceAttempt:
    """Return what opens an attempt's span, for the length of a `with` block.

    The trace is that of the delivery's blob, which is read for it. With `send_context` the receiver
    gets the span's context.
    """
    if tracer is no_tracer:
        return no_trace

    @contextmanager
    def trace(claim: Claim) -> Iterator[AttemptSpan]:
        delivery = claim.delivery
        blob = None if delivery.is_test else blobs.get(delivery.blob_id)
        parent = blob.traceparent if blob else None
        with tracer.span("webhook", Kind.CLIENT, parent=parent) as span:
            span.set(
                {
                    BLOB_ID: None if delivery.is_test else delivery.blob_id,
                    "labelling.webhook.id": delivery.id,
                    "labelling.webhook.attempt": claim.attempt,
                    "http.request.method": "POST",
                    "http.request.resend_count": claim.schedule_attempt - 1 or None,
                    "server.address": urlsplit(delivery.url).hostname,
                }
            )
            context = span.traceparent
            yield AttemptSpan(span, {TRACEPARENT: context} if send_context and context else None)

    return trace
