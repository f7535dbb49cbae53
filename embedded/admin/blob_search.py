"""Find an owner's pictures for the operator, by status and file name, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from core.domain.blob_list import BlobFilter, BlobOrder, plan_blob_list
from core.domain.errors import InvalidValue
from core.domain.facts import FactsFilter
from core.domain.pagination import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.domain.blob import Blob, BlobStatus
    from core.domain.blob_list import BlobListPlan
    from core.domain.pagination import Position
    from core.repositories.ports.blobs import BlobRepository

MAX_NAMED: Final = 1000  # pictures of one name that are sorted
MAX_READS: Final = 20  # pages of the index of names


@dataclass(frozen=True, slots=True)
class BlobSearch:
    """Which pictures of an owner: with one of the statuses, and a file name that starts so."""

    owner: str
    statuses: tuple[BlobStatus, ...] = ()
    file_name: str | None = None

    def page(self, blobs: BlobRepository, first: int, after: str | None) -> Page[Blob]:
        """Return the newest pictures that are older than the one with the id `after`.

        The store walks the index of the owner, of its statuses, or of its file names. Those of one
        name are in the order of the name there, so that they are read and sorted.

        Raises:
            InvalidValue: too many pictures have such a name.

        """
        if self.file_name is None:
            plan = plan_blob_list(BlobFilter(statuses=self.statuses))
            position = (after,) if after else None
            found = list(islice(self._walk(blobs, plan, first + 1, position), first + 1))
        else:
            named = sorted(self._named(blobs), key=lambda blob: blob.id, reverse=True)
            found = [blob for blob in named if after is None or blob.id < after][: first + 1]
        return Page(tuple(found[:first]), len(found) > first)

    def _named(self, blobs: BlobRepository) -> list[Blob]:
        facts = FactsFilter(file_name_prefix=self.file_name)
        plan = plan_blob_list(BlobFilter(statuses=self.statuses, facts=facts), BlobOrder.FILE_NAME)
        found = list(islice(self._walk(blobs, plan, 100, None), MAX_NAMED + 1))
        if len(found) > MAX_NAMED:
            raise InvalidValue(
                "--file-name", f"more than {MAX_NAMED} names start so: give more of the name"
            )
        return found

    def _walk(
        self, blobs: BlobRepository, plan: BlobListPlan, first: int, after: Position | None
    ) -> Iterator[Blob]:
        """Yield the pictures of a list, one page after the other."""
        for _ in range(MAX_READS):
            page = blobs.find_page(self.owner, plan, first=first, after=after)
            yield from page.items
            if not page.has_next:
                return
            after = page.reached or plan.position_of(page.items[-1])
        raise InvalidValue(
            "--file-name", "too many names start so, and few have the status: give more of the name"
        )
