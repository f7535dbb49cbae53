"""Vectors in memory: their order, their pages and their bounds."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.repositories.sqlite.embeddings import StoredVector
from embedded.similar import vectors as module
from embedded.similar.vectors import Match, Vectors
from tests.support.embeddings import embedding

WANTED = embedding().vector
ALL = (-2.0, 2.0)


def vectors_of(*similarities: float, most: int = 100_000) -> Vectors:
    """Vectors of blobs "1", "2", ... with these similarities to WANTED."""
    vectors = Vectors(4, most)
    vectors.add(
        StoredVector(n, str(n), embedding(each).vector) for n, each in enumerate(similarities, 1)
    )
    return vectors


def ids(vectors: Vectors, low: float = -2.0, high: float = 2.0) -> list[str]:
    return [match.blob_id for match in vectors.ranked(WANTED, low, high)]


def test_most_similar_comes_first_and_the_newest_of_equals() -> None:
    assert ids(vectors_of(0.5, 1, 0.9, 1)) == ["4", "2", "3", "1"]


def test_similarity_is_the_cosine() -> None:
    found = list(vectors_of(0.5, 1, 0).ranked(WANTED, *ALL))
    assert [match.similarity for match in found] == pytest.approx([1, 0.5, 0], abs=0.01)


def test_range_includes_its_start_and_not_its_end() -> None:
    vectors = vectors_of(1, 0.6, 0)
    (at,) = [each.similarity for each in vectors.ranked(WANTED, 0.5, 0.9)]
    assert ids(vectors, at, 0.9) == ["2"]
    assert ids(vectors, 0.1, at) == []


@given(st.lists(st.sampled_from([0.2, 0.4, 0.4001, 0.9, 1.0]), max_size=12), st.integers(1, 5))
def test_pages_join_to_the_whole_list(similarities: list[float], size: int) -> None:
    vectors = vectors_of(*similarities)
    whole = list(vectors.ranked(WANTED, *ALL))
    paged: list[Match] = []
    while len(paged) < len(whole):
        after = (paged[-1].similarity, paged[-1].sequence) if paged else None
        page = list(vectors.ranked(WANTED, *ALL, after))[:size]
        assert page
        paged += page
    assert paged == whole


def test_order_is_that_of_a_full_sort(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where only the most similar are sorted first."""
    random = np.random.default_rng(1)
    rows = random.integers(-5, 5, (module.ROWS + 500, 4), dtype=np.int8)
    vectors = Vectors(4, 100_000)
    vectors.add(StoredVector(n, str(n), row.tobytes()) for n, row in enumerate(rows, 1))
    found = list(vectors.ranked(WANTED, *ALL))
    assert len(found) == len(rows) > module._SORTED_FIRST
    assert found == sorted(found, key=lambda each: (-each.similarity, -each.sequence))


def test_replaced_vector_is_not_found() -> None:
    vectors = vectors_of(1, 0.5)
    vectors.add([StoredVector(3, "1", embedding(0.2).vector)])
    assert ids(vectors) == ["2", "1"]
    assert vectors.newest == 3


def test_removed_vector_is_not_found() -> None:
    vectors = vectors_of(1, 0.5)
    vectors.remove(["1", "unknown"])
    assert ids(vectors) == ["2"]


def test_vector_of_another_length_is_not_compared() -> None:
    vectors = vectors_of(1)
    vectors.add([StoredVector(2, "2", b"\x01\x02")])
    assert ids(vectors) == ["1"]
    assert list(vectors.ranked(b"\x01\x02", *ALL)) == []
    assert list(Vectors(4, 10).ranked(WANTED, *ALL)) == []


def test_oldest_vectors_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block at a time; those that were replaced by a newer one stay with that."""
    monkeypatch.setattr(module, "ROWS", 2)
    vectors = vectors_of(1, 1, 1, 1, most=4)
    vectors.add([StoredVector(5, "1", WANTED)])
    assert ids(vectors) == ["1", "4", "3"]
    vectors.add([StoredVector(6, "6", WANTED)])
    assert ids(vectors) == ["6", "1", "4", "3"][:4]
    vectors.remove(["6"])
    assert ids(vectors) == ["1", "4", "3"]
    assert vectors.size == 2 * 2 * 4


def test_search_in_progress_sees_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are added or dropped meanwhile don't disturb it."""
    monkeypatch.setattr(module, "ROWS", 2)
    vectors = vectors_of(1, 0.9, 0.8, most=4)
    search = vectors.ranked(WANTED, *ALL)
    first = next(search)
    numbers = count(4)
    vectors.add(StoredVector(n, str(n), WANTED) for n in (next(numbers) for _ in range(5)))
    assert [first.blob_id, *(match.blob_id for match in search)] == ["1", "2", "3"]
