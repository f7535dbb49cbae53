"""Plans of lists that are remembered: those of short filters. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache, wraps
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sized

    from core.domain.facts import FactsFilter
    from core.domain.label_filter import LabelFilter

P = TypeVar("P")

MAX_KEPT: Final = 256
# Of the texts in a filter. Clients choose them, and a request may have a megabyte of them.
MAX_CHARACTERS: Final = 2000


class Filter(Hashable, Protocol):
    """What clients write in a filter of blobs, as long as they like."""

    @property
    def statuses(self) -> Sized: ...  # noqa: D102
    @property
    def sha256(self) -> str | None: ...  # noqa: D102
    @property
    def labels(self) -> LabelFilter: ...  # noqa: D102
    @property
    def facts(self) -> FactsFilter: ...  # noqa: D102


def remember_short(plan: Callable[..., P]) -> Callable[..., P]:
    """Return a function that remembers the last plans, except those of long filters.

    Its first argument is the filter.
    """
    remembered = lru_cache(maxsize=MAX_KEPT)(plan)

    @wraps(plan)
    def call(wanted: Filter, *arguments: object) -> P:
        chosen = remembered if _length(wanted) <= MAX_CHARACTERS else plan
        return chosen(wanted, *arguments)

    return call


def _length(wanted: Filter) -> int:
    """Return how many characters and states a filter has."""
    labels, facts = wanted.labels, wanted.facts
    texts = chain(labels.all, labels.any, labels.none, facts.external_ids, *facts.metadata)
    single = len(facts.file_name_prefix or "") + len(wanted.sha256 or "")
    return single + len(wanted.statuses) + sum(map(len, texts))
