"""The search for similar pictures, loaded when it is first used."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.backends.sqlite import Database
    from core.domain.pagination import Page
    from core.domain.similar import SimilarBlob, SimilarKind
    from core.repositories.ports.similar import SimilarBlobs


class SimilarOnDemand:
    """A `SimilarIndex` of a database, made at the first search."""

    def __init__(self, database: Database) -> None:
        self._database = database
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

    def _made(self) -> SimilarBlobs:
        with self._making:
            if self._index is None:
                # numpy and simsimd take 16 MB and double the processor time of the service's start.
                from embedded.similar.index import SimilarIndex  # noqa: PLC0415

                self._index = SimilarIndex(self._database)
            return self._index
