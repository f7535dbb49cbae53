"""Pictures that look alike, by the cosine of their embeddings. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from core.domain.blob import Blob


class SimilarKind(StrEnum):
    """Which blobs to find: copies of the same picture, or others that look like it."""

    DUPLICATE = "DUPLICATE"
    SIMILAR = "SIMILAR"


# Measured with bench/similar.py (docs/decisions/0057): copies of a picture are above the first, and
# pictures that people call alike are above the second.
DUPLICATE_FROM: Final = 0.9
SIMILAR_FROM: Final = 0.5


@dataclass(frozen=True, slots=True)
class SimilarBlob:
    """A blob that looks like another. `similarity` is the cosine of their embeddings, 0 to 1.

    `sequence` orders equally similar blobs: a higher number was labelled later.
    """

    blob: Blob
    similarity: float
    sequence: int


def similarities(kind: SimilarKind) -> tuple[float, float]:
    """Return the lowest similarity of a kind, and the one below which it stays."""
    if kind is SimilarKind.DUPLICATE:
        return DUPLICATE_FROM, 2.0
    return SIMILAR_FROM, DUPLICATE_FROM
