"""The port of the search for similar pictures. Only the embedded service has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.pagination import Page
    from core.domain.similar import SimilarBlob, SimilarKind


class SimilarBlobs(Protocol):
    """Finds an owner's blobs that look like another of the same owner."""

    def find(
        self,
        owner: str,
        blob_id: str,
        kind: SimilarKind,
        *,
        first: int,
        after: tuple[float, int] | None = None,
    ) -> Page[SimilarBlob] | None:
        """List blobs that look like a blob, most similar first.

        Of equally similar ones the last labelled comes first. The list starts behind `after`, a
        similarity and a sequence number. Return None if the owner's blob has no embedding.
        """
