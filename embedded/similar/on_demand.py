"""The search for similar pictures, loaded when it is first used."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.backends.sqlite import Database
    from core.domain.label import Embedding
    from core.domain.pagination import Page
    from core.domain.similar import SimilarBlob, SimilarKind
    from core.repositories.ports.similar import SimilarBlobs


class SimilarOnDemand:
    """A `SimilarIndex` of a database, made at the first search. `encode` is as there."""

    def __init__(
        self, database: Database, encode: Callable[[str], Embedding] | None = None
    ) -> None:
        self._database = database
        self._encode = encode
        self._index: SimilarBlobs | None = None
        self._making = threading.Lock()

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
        return self._made().find(owner, blob_id, kind, first=first, after=after)

    def find_by_text(
        self, owner: str, text: str, *, first: int, after: tuple[float, int] | None = None
    ) -> Page[SimilarBlob] | None:
        """List blobs that a text describes, as `SimilarBlobs.find_by_text` says."""
        if self._encode is None:
            return None
        return self._made().find_by_text(owner, text, first=first, after=after)

    def _made(self) -> SimilarBlobs:
        with self._making:
            if self._index is None:
                # numpy and simsimd take 16 MB and double the processor time of the service's start.
                from embedded.similar.index import SimilarIndex  # noqa: PLC0415

                self._index = SimilarIndex(self._database, encode=self._encode)
            return self._index
