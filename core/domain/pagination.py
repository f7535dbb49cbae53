"""Pages of lists, for keyset paging. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from core.domain.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
U = TypeVar("U")
# A place in a list: the values that the list is ordered by, of the item at that place.
Position = tuple[str | float, ...]

MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list: items, and whether more follow.

    `reached` is set when the search stopped early: more items may or may not follow, and the next
    page starts behind `reached` instead of behind the last item.
    """

    items: tuple[T, ...]
    has_next: bool
    reached: Position | None = None

    def map(self, change: Callable[[T], U]) -> Page[U]:
        """Return the page with `change` applied to each item."""
        return Page(tuple(map(change, self.items)), self.has_next, self.reached)


def check_first(first: int) -> int:
    """Return `first` if it is from 1 to MAX_PAGE; else raise InvalidValue."""
    if not 1 <= first <= MAX_PAGE:
        raise InvalidValue("first", f"must be from 1 to {MAX_PAGE}, not {first}")
    return first


def page_of(found: Sequence[T], first: int) -> Page[T]:
    """Return a page of `first` items of a list that was read with limit `first + 1`."""
    return Page(tuple(found[:first]), len(found) > first)
