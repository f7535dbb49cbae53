"""Traces: code that does a part of an upload's work opens a span of the upload's trace.

A trace context crosses stores and queues as the text of W3C Trace Context's `traceparent`
(https://www.w3.org/TR/trace-context/#traceparent-header).
"""

from __future__ import annotations

from contextlib import nullcontext
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

Attributes = dict[str, str | int | float | bool | None]

TRACEPARENT: Final = "traceparent"
BLOB_ID: Final = "labelling.blob.id"  # attribute of every span of an upload


class Kind(StrEnum):
    """The role of a span (OpenTelemetry: SpanKind)."""

    INTERNAL = "INTERNAL"
    SERVER = "SERVER"
    CLIENT = "CLIENT"
    CONSUMER = "CONSUMER"


class Span(Protocol):
    """A part of a trace that is in progress."""

    @property
    def traceparent(self) -> str | None:
        """The span's context, which makes another span its child; None: there are no traces."""

    def rename(self, name: str) -> None:
        """Give the span a name that was not known at its start."""

    def set(self, attributes: Mapping[str, str | int | float | bool | None]) -> None:
        """Add attributes; those that are None are left out."""

    def fail(self, description: str) -> None:
        """Mark the span as failed."""


class Tracer(Protocol):
    """Opens spans. Several threads and tasks may use it at the same time."""

    def span(
        self, name: str, kind: Kind = Kind.INTERNAL, *, parent: str | None = None
    ) -> AbstractContextManager[Span]:
        """Open a span for the length of a `with` block. An exception that leaves it marks it.

        It is a child of `parent`, a `traceparent`; without a valid one, of the span around it.
        """

    def flush(self) -> None:
        """Send the ended spans that were not sent yet."""

    def close(self) -> None:
        """Send the ended spans and stop."""


class _NoSpan:
    """A span that is recorded nowhere."""

    traceparent: Final = None

    def rename(self, name: str) -> None:
        """Do nothing."""

    def set(self, attributes: Mapping[str, str | int | float | bool | None]) -> None:
        """Do nothing."""

    def fail(self, description: str) -> None:
        """Do nothing."""


_NO_SPAN: Final = nullcontext(_NoSpan())


class _NoTracer:
    """Opens no spans: each call returns the same object."""

    def span(
        self,
        name: str,  # noqa: ARG002  # as in Tracer
        kind: Kind = Kind.INTERNAL,  # noqa: ARG002
        *,
        parent: str | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """Return a block that does nothing."""
        return _NO_SPAN

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


no_tracer: Final[Tracer] = _NoTracer()
