"""Pages of lists."""

from __future__ import annotations

import pytest

from core.domain.errors import InvalidValue
from core.domain.pagination import MAX_PAGE, Page, check_first, page_of


@pytest.mark.parametrize("first", [1, 2, MAX_PAGE])
def test_a_page_has_from_1_to_100_items(first: int) -> None:
    """As asked for."""
    assert check_first(first) == first


@pytest.mark.parametrize("first", [-1, 0, MAX_PAGE + 1])
def test_other_page_sizes_are_refused(first: int) -> None:
    """The message says what is allowed."""
    with pytest.raises(InvalidValue, match=f"first: must be from 1 to 100, not {first}"):
        check_first(first)


@pytest.mark.parametrize(
    ("found", "page"),
    [
        ([], Page((), has_next=False)),
        ([1], Page((1,), has_next=False)),
        ([1, 2], Page((1, 2), has_next=False)),
        ([1, 2, 3], Page((1, 2), has_next=True)),
    ],
)
def test_one_more_than_asked_for_tells_that_more_follow(found: list[int], page: Page[int]) -> None:
    """And is not shown."""
    assert page_of(found, 2) == page


def test_a_mapped_page_is_the_same_page() -> None:
    """Item by item."""
    assert Page((1, 2), has_next=True).map(str) == Page(("1", "2"), has_next=True)
