"""Pages of lists."""

from __future__ import annotations

import pytest

from core.domain.errors import InvalidValue
from core.domain.pagination import MAX_PAGE, Page, check_first, page_of


@pytest.mark.parametrize("first", [1, 2, MAX_PAGE])
def test_page_size_is_from_1_to_100(first: int) -> None:
    assert check_first(first) == first


@pytest.mark.parametrize("first", [-1, 0, MAX_PAGE + 1])
def test_other_page_sizes_are_refused(first: int) -> None:
    """The message states the range."""
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
def test_one_item_more_than_requested_means_that_more_follow(
    found: list[int], page: Page[int]
) -> None:
    """It is not in the page."""
    assert page_of(found, 2) == page


def test_map_changes_the_items_of_a_page() -> None:
    assert Page((1, 2), has_next=True).map(str) == Page(("1", "2"), has_next=True)
