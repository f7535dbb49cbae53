"""One function over many items in a few threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from embedded.client.parallel import map_in_threads


def test_every_item_has_one_result() -> None:
    results = map_in_threads(lambda number: number * 2, range(100), 3, threading.Event())
    assert sorted(results) == [number * 2 for number in range(100)]


def test_items_are_read_no_faster_than_they_are_worked_on() -> None:
    """At most some items for each thread are waiting."""
    read = 0

    def items() -> Iterator[int]:
        nonlocal read
        for number in range(1000):
            read += 1
            yield number

    results = map_in_threads(lambda number: number, items(), 2, threading.Event())
    next(results)
    assert read <= 8
    results.close()  # type: ignore[attr-defined]


def test_exception_ends_the_work() -> None:
    """`stopping` is set, so that running calls can end early."""
    stopping = threading.Event()

    def work(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        return number

    with pytest.raises(ValueError, match="3"):
        list(map_in_threads(work, range(1000), 2, stopping))
    assert stopping.is_set()
