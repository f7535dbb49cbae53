"""Labels in use ordered by blob count, where a store has no index of that order. Pure."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING

from core.domain.errors import InvalidValue
from core.domain.pagination import Page, page_of
from core.repositories.ports import blobs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.repositories.ports.blobs import LabelSummary


def page_by_count(
    summaries: Iterable[LabelSummary], first: int, after: tuple[int, str] | None
) -> Page[LabelSummary]:
    """Return a page of summaries, most blobs first, which starts behind (count, folded name).

    Raises:
        InvalidValue: there are more than MAX_LABELS_SORTED summaries.

    """
    most = blobs.MAX_LABELS_SORTED
    read = list(islice(summaries, most + 1))
    if len(read) > most:
        raise InvalidValue(
            "orderBy",
            f"BLOB_COUNT sorts at most {most} labels here, and there are more; "
            "give a longer prefix, or order by NAME",
        )
    start = (-after[0], after[1]) if after else None
    left = (each for each in read if start is None or _rank(each) > start)
    return page_of(heapq.nsmallest(first + 1, left, key=_rank), first)


def _rank(summary: LabelSummary) -> tuple[int, str]:
    return -summary.blob_count, summary.name.casefold()
