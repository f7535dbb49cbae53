"""Settings of what may be executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from api.graphql.execution.documents import Documents
from api.graphql.execution.persisted import read_manifest
from api.graphql.execution.query_cost import Limits
from api.graphql.schema import schema

if TYPE_CHECKING:
    from pathlib import Path


class DocumentSettings(Protocol):
    """The settings that `build_documents` reads."""

    @property
    def max_cost(self) -> int: ...  # noqa: D102
    @property
    def introspection(self) -> bool: ...  # noqa: D102
    @property
    def field_suggestions(self) -> bool: ...  # noqa: D102
    @property
    def automatic_persisted_queries(self) -> bool: ...  # noqa: D102
    @property
    def allowed_documents(self) -> Path | None: ...  # noqa: D102


def build_documents(settings: DocumentSettings) -> Documents:
    """Build the documents that a service executes. Raises BadSetting."""
    allowed = settings.allowed_documents
    return Documents(
        schema._schema,  # noqa: SLF001  # graphql-core's
        Limits(cost=settings.max_cost),
        introspection=settings.introspection,
        suggestions=settings.field_suggestions,
        automatic=settings.automatic_persisted_queries,
        allowed=read_manifest(allowed) if allowed else None,
    )
