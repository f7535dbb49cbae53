"""Vectors of one owner's pictures in memory, and their similarity to another vector."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import simsimd

from core.domain.similar import DUPLICATE_FROM, OUTLINE_SHARE, SIMILAR_FROM, SimilarKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from core.domain.label import Embedding
    from core.repositories.sqlite.embeddings import StoredEmbedding

ROWS: Final = 2048  # of a block
OUTLINE: Final = 49  # numbers of an outline
_DECIMALS: Final = 6  # of a similarity; the product's own error is below that
_SORTED_FIRST: Final = 1000  # of the most similar; few searches need more


class Match(NamedTuple):
    """A vector that is similar enough; `sequence` tells which of its blob's it is."""

    similarity: float
    blob_id: str
    sequence: int


class _Block:
    """Up to ROWS embeddings. A row is written once; one that is no longer valid is marked."""

    def __init__(self, dimensions: int, outline: int) -> None:
        self.features = np.zeros((ROWS, dimensions), np.int8)
        self.outlines = np.zeros((ROWS, outline), np.int8)
        self.sequences = np.zeros(ROWS, np.int64)
        self.valid = np.zeros(ROWS, np.bool_)
        self.ids: list[str] = []


class Vectors:
    """Embeddings with `dimensions` features. One thread at a time may change them; any may search.

    Where there are more than `most`, the oldest are dropped, a block at a time. Their outlines have
    `outline` numbers: none where pictures are compared with texts alone.
    """

    def __init__(self, dimensions: int, most: int, outline: int = OUTLINE) -> None:
        self.newest = 0  # the highest sequence number so far
        self._dimensions = dimensions
        self._outline = outline
        self._max_blocks = max(1, most // ROWS)
        self._blocks: list[_Block] = []
        self._dropped = 0  # blocks
        self._rows: dict[str, int] = {}  # of valid vectors, counted from the first ever added

    @property
    def rows(self) -> int:
        """The number of rows in use, valid or not."""
        return (len(self._blocks) - 1) * ROWS + len(self._blocks[-1].ids) if self._blocks else 0

    @property
    def size(self) -> int:
        """The memory of all vectors in bytes."""
        return len(self._blocks) * ROWS * self._dimensions

    def add(self, stored: Iterable[StoredEmbedding]) -> None:
        """Add vectors in the order of their sequence numbers, each in place of its blob's last.

        A vector of another length is left out: it can't be compared with these.
        """
        for sequence, blob_id, features, outline in stored:
            self.newest = sequence
            self.remove([blob_id])
            if (len(features), len(outline)) == (self._dimensions, self._outline):
                block = self._block_with_room()
                row = len(block.ids)
                self._rows[blob_id] = (self._dropped + len(self._blocks) - 1) * ROWS + row
                block.features[row] = np.frombuffer(features, np.int8)
                block.outlines[row] = np.frombuffer(outline, np.int8)
                block.sequences[row] = sequence
                block.valid[row] = True
                block.ids.append(blob_id)  # last: a search in progress reads the rows with an id

    def remove(self, blob_ids: Iterable[str]) -> None:
        """Mark the vectors of blobs as no longer valid."""
        for blob_id in blob_ids:
            if blob_id in self._rows:
                number, row = divmod(self._rows.pop(blob_id), ROWS)
                self._blocks[number - self._dropped].valid[row] = False

    def ranked(
        self, wanted: Embedding, kind: SimilarKind, after: tuple[float, int] | None = None
    ) -> Iterator[Match]:
        """Yield what is similar to an embedding of the same network, most similar first.

        Of equally similar ones the last added comes first. The list starts behind `after`, a
        similarity and a sequence number.
        """
        blocks = self._used_blocks()
        if not blocks or (len(wanted.features), len(wanted.outline)) != (self._dimensions, OUTLINE):
            return
        alike = np.concatenate([cosines(wanted.features, b.features[:rows]) for b, rows in blocks])
        outlines = np.concatenate(
            [cosines(wanted.outline, b.outlines[:rows]) for b, rows in blocks]
        )
        copied = np.round((1 - OUTLINE_SHARE) * alike + OUTLINE_SHARE * outlines, _DECIMALS)
        if kind is SimilarKind.DUPLICATE:
            yield from _matches(blocks, copied, copied >= DUPLICATE_FROM, after)
        else:
            kept = (alike >= SIMILAR_FROM) & (copied < DUPLICATE_FROM)
            yield from _matches(blocks, alike, kept, after)

    def nearest(self, features: bytes, after: tuple[float, int] | None = None) -> Iterator[Match]:
        """Yield all, those with the most similar features first, in the order of `ranked`."""
        blocks = self._used_blocks()
        if not blocks or len(features) != self._dimensions:
            return
        alike = np.concatenate([cosines(features, b.features[:rows]) for b, rows in blocks])
        yield from _matches(blocks, alike, np.ones(len(alike), np.bool_), after)

    def _used_blocks(self) -> list[tuple[_Block, int]]:
        """Return the blocks, each with the number of its rows now."""
        return [(block, len(block.ids)) for block in self._blocks if block.ids]

    def _block_with_room(self) -> _Block:
        if not self._blocks or len(self._blocks[-1].ids) == ROWS:
            blocks = [*self._blocks, _Block(self._dimensions, self._outline)]
            if len(blocks) > self._max_blocks:
                end = (self._dropped + 1) * ROWS
                self.remove([each for each in blocks[0].ids if self._rows.get(each, end) < end])
                self._dropped += 1
                del blocks[0]
            self._blocks = blocks  # a new list: a search in progress keeps its own
        return self._blocks[-1]


def _matches(
    blocks: Sequence[tuple[_Block, int]],
    found: NDArray[np.float64],
    kept: NDArray[np.bool_],
    after: tuple[float, int] | None,
) -> Iterator[Match]:
    """Yield the valid rows that are kept and behind `after`, most similar first."""
    sequences = np.concatenate([block.sequences[:rows] for block, rows in blocks])
    kept &= np.concatenate([block.valid[:rows] for block, rows in blocks])
    if after is not None:
        kept &= (found < after[0]) | ((found == after[0]) & (sequences < after[1]))
    for each in _in_order(found, sequences, np.flatnonzero(kept)):
        block = blocks[each // ROWS][0]  # all blocks but the last are full
        yield Match(float(found[each]), block.ids[each % ROWS], int(sequences[each]))


def cosines(wanted: bytes, vectors: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return the cosine of each vector and the wanted one, rounded; 0 if one of them is zero."""
    if not any(wanted):
        return np.zeros(len(vectors))
    given = np.frombuffer(wanted, np.int8)[np.newaxis]
    distances = np.asarray(simsimd.cdist(given, vectors, metric="cos"))[0]
    found: NDArray[np.float64] = np.round(1 - distances, _DECIMALS)
    return found


def _in_order(
    found: NDArray[np.float64], sequences: NDArray[np.int64], kept: NDArray[np.intp]
) -> Iterator[int]:
    """Yield the indices `kept`, highest similarity first, then highest sequence number."""
    parts = [kept]
    if len(kept) > _SORTED_FIRST:
        least = np.partition(found[kept], -_SORTED_FIRST)[-_SORTED_FIRST]
        top = found[kept] >= least
        parts = [kept[top], kept[~top]]
    for part in parts:
        yield from part[np.lexsort((-sequences[part], -found[part]))].tolist()
