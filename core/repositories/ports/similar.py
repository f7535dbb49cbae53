"""The port of the searches by a picture and by a text. Only the embedded service has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.pagination import Page
    from core.domain.similar import SimilarBlob, SimilarKind


class SimilarBlobs(Protocol):
    """Finds an owner's blobs that look like another of the same owner, or as a text says."""

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

    def find_by_text(
        self, owner: str, text: str, *, first: int, after: tuple[float, int] | None = None
    ) -> Page[SimilarBlob] | None:
        """List all comparable blobs, those first that a text describes best.

        Order and `after` are as in `find`. Return None without a text encoder. Raises InvalidValue
        for a text that it can't encode.
        """
