"""Pictures that look alike, by their embeddings. Pure."""

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


# The similarity of a duplicate is that of the features and, by this share, that of the outline.
# The figures are measured on photographs (docs/decisions/0057).
OUTLINE_SHARE: Final = 0.4
DUPLICATE_FROM: Final = 0.7
# The similarity of others is that of the features alone.
SIMILAR_FROM: Final = 0.4


@dataclass(frozen=True, slots=True)
class SimilarBlob:
    """A blob that looks like another, or as a text says. `similarity` is from -1 to 1.

    `sequence` orders equally similar blobs: a higher number was labelled later.
    """

    blob: Blob
    similarity: float
    sequence: int
