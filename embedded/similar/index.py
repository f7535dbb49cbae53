"""Search for similar pictures: each owner's vectors in memory, read from SQLite as needed.

The database holds the truth. Before a search an owner's vectors are brought up to date with one
seek in an index, and after it every blob that was found is read. So nothing needs to report
changes, even those of other processes, and a deleted blob is never returned.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Final

from core.domain.pagination import page_of
from core.domain.similar import SimilarBlob
from core.repositories.serialization import blob_from_document
from core.repositories.sqlite import embeddings
from core.runtime.json import read_json
from embedded.similar.vectors import ROWS, Vectors

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from core.backends.sqlite import Database
    from core.domain.label import Embedding
    from core.domain.pagination import Page
    from core.domain.similar import SimilarKind
    from embedded.similar.vectors import Match

MAX_BYTES: Final = 512 * 1024**2  # of features: those of 400,000 pictures with 1280 each


class _Owner:
    """An owner's vectors like one of a network, at most `most` of them."""

    def __init__(self, owner: str, like: Embedding, most: int) -> None:
        self.owner = owner
        self._network = like.network
        self._sizes = len(like.features), most, len(like.outline)
        self._most = most
        self._checked = 0  # rows when those of deleted blobs were last counted
        self._changing = threading.Lock()
        self.vectors = Vectors(*self._sizes)

    def update(self, connection: sqlite3.Connection) -> None:
        """Add the vectors that were stored since the last call."""
        with self._changing:
            self._read_new(connection)
            if self.vectors.rows < self._checked + ROWS:
                return
            stored = embeddings.count_embeddings(connection, self.owner, self._network)
            if self.vectors.rows > 2 * stored + ROWS:  # most of them are of deleted blobs
                self.vectors = Vectors(*self._sizes)
                self._read_new(connection)
            self._checked = self.vectors.rows

    def remove(self, blob_ids: Iterable[str]) -> None:
        """Leave out blobs that have no such vector any more."""
        with self._changing:
            self.vectors.remove(blob_ids)

    def _read_new(self, connection: sqlite3.Connection) -> None:
        source = connection, self.owner, self._network
        if not self.vectors.newest:
            self.vectors.newest = embeddings.sequence_before_newest(*source, self._most)
        while stored := embeddings.read_embeddings(*source, self.vectors.newest, ROWS):
            self.vectors.add(stored)


class SimilarIndex:
    """Finds similar pictures of an owner in a `Database`. Safe to call from several threads.

    It keeps vectors of about `max_bytes`: those of the owners who searched last and, of an owner
    with more pictures than that, those that were labelled last. `encode` returns the embedding of a
    text, whose features are compared with those of pictures, or raises InvalidValue.
    """

    def __init__(
        self,
        database: Database,
        max_bytes: int = MAX_BYTES,
        encode: Callable[[str], Embedding] | None = None,
    ) -> None:
        self._database = database
        self._max_bytes = max_bytes
        self._encode = encode
        self._owners: OrderedDict[tuple[str, str, int, int], _Owner] = OrderedDict()
        self._lock = threading.Lock()

    def find(
        self,
        owner: str,
        blob_id: str,
        kind: SimilarKind,
        *,
        first: int,
        after: tuple[float, int] | None = None,
    ) -> Page[SimilarBlob] | None:
        """List blobs that look like a blob, most similar first, as `SimilarBlobs.find` says."""
        with self._database.read() as connection:
            wanted = embeddings.find_embedding(connection, owner, blob_id)
            if wanted is None or not wanted.features or not wanted.outline:
                return None
            searched = self._updated(connection, owner, wanted)
            ranked = searched.vectors.ranked(wanted, kind, after)
            others = (match for match in ranked if match.blob_id != blob_id)
            return _page(connection, searched, others, first)

    def find_by_text(
        self, owner: str, text: str, *, first: int, after: tuple[float, int] | None = None
    ) -> Page[SimilarBlob] | None:
        """List blobs that a text describes, as `SimilarBlobs.find_by_text` says."""
        if self._encode is None:
            return None
        wanted = self._encode(text)
        with self._database.read() as connection:
            searched = self._updated(connection, owner, wanted)
            nearest = searched.vectors.nearest(wanted.features, after)
            return _page(connection, searched, nearest, first)

    def _updated(self, connection: sqlite3.Connection, owner: str, like: Embedding) -> _Owner:
        """Return an owner's vectors that are like one, up to date, and mark them as last used."""
        key = owner, like.network, len(like.features), len(like.outline)
        with self._lock:
            if key not in self._owners:
                self._owners[key] = _Owner(owner, like, self._max_bytes // len(like.features))
            self._owners.move_to_end(key)
            searched = self._owners[key]
        searched.update(connection)
        self._forget_owners()
        return searched

    def _forget_owners(self) -> None:
        """Drop the vectors of the owners who searched longest ago, beyond the memory allowed."""
        with self._lock:
            size = sum(each.vectors.size for each in self._owners.values())
            while size > self._max_bytes and len(self._owners) > 1:
                _, dropped = self._owners.popitem(last=False)
                size -= dropped.vectors.size


def _page(
    connection: sqlite3.Connection, searched: _Owner, matches: Iterator[Match], first: int
) -> Page[SimilarBlob]:
    existing = _existing(connection, searched, matches, first + 1)
    return page_of(list(islice(existing, first + 1)), first)


def _existing(
    connection: sqlite3.Connection, searched: _Owner, matches: Iterator[Match], at_once: int
) -> Iterator[SimilarBlob]:
    """Yield the blobs of matches that still have that vector, so many read at once."""
    while batch := list(islice(matches, at_once)):
        ids = [match.blob_id for match in batch]
        stored = embeddings.documents_of(connection, searched.owner, ids)
        searched.remove(each for each in ids if each not in stored)
        for match in batch:
            sequence, document = stored.get(match.blob_id, (None, ""))
            if sequence == match.sequence:
                blob = blob_from_document(read_json(document))
                if blob.listed:
                    yield SimilarBlob(blob, match.similarity, match.sequence)
