"""Embeddings in memory: their order, their kinds, their pages and their bounds."""

from __future__ import annotations

from dataclasses import astuple
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.label import Embedding
from core.domain.similar import SimilarKind
from core.repositories.sqlite.embeddings import StoredEmbedding
from embedded.similar import vectors as module
from embedded.similar.vectors import OUTLINE, Match, Vectors, cosines
from tests.support.images.embeddings import embedding

COPIES, OTHERS = SimilarKind.DUPLICATE, SimilarKind.SIMILAR
FLAT = bytes(OUTLINE)


def stored(sequence: int, of: Embedding, blob_id: str | None = None) -> StoredEmbedding:
    """The embedding of the blob with that number."""
    return StoredEmbedding(sequence, blob_id or str(sequence), of.features, of.outline)


def vectors_of(*similarities: float, most: int = 100_000) -> Vectors:
    """Embeddings of blobs "1", "2", ... with these similarities to `embedding()`."""
    vectors = Vectors(4, most)
    vectors.add(stored(n, embedding(each)) for n, each in enumerate(similarities, 1))
    return vectors


def ids(vectors: Vectors, kind: SimilarKind = COPIES) -> list[str]:
    return [match.blob_id for match in vectors.ranked(embedding(), kind)]


def test_most_similar_comes_first_and_the_newest_of_equals() -> None:
    assert ids(vectors_of(0.8, 1, 0.9, 1)) == ["4", "2", "3", "1"]


@pytest.mark.parametrize(("kind", "expected"), [(COPIES, [1, 0.8]), (OTHERS, [0.6, 0.5])])
def test_kinds_are_told_apart_by_similarity(kind: SimilarKind, expected: list[float]) -> None:
    found = list(vectors_of(0.5, 0.6, 1, 0, 0.8, 0.3).ranked(embedding(), kind))
    assert [match.similarity for match in found] == pytest.approx(expected, abs=0.01)


def test_outline_tells_a_copy_from_a_picture_of_the_same_thing() -> None:
    """Similar features alone make no copy, and similar outlines alone make nothing similar."""
    one, other = embedding(), embedding(0)
    vectors = Vectors(4, 100_000)
    vectors.add(
        [
            stored(1, Embedding(one.network, embedding(0.9).features, other.outline)),
            stored(2, Embedding(one.network, embedding(0.6).features, one.outline)),
            stored(3, Embedding(one.network, other.features, one.outline)),
        ]
    )
    assert ids(vectors) == ["2"]
    assert ids(vectors, OTHERS) == ["1"]


def test_picture_of_one_colour_has_no_copies() -> None:
    """Its outline says nothing, and neither do its features."""
    flat = Embedding(*astuple(embedding())[:2], FLAT)
    vectors = Vectors(4, 100_000)
    vectors.add([stored(1, flat), stored(2, embedding())])
    assert list(vectors.ranked(flat, COPIES)) == []
    assert ids(vectors) == ["2"]


def test_cosines_are_those_of_exact_arithmetic() -> None:
    rows = np.random.default_rng(1).integers(-128, 128, (50, 1280)).astype(np.int8)
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    found = cosines(rows[0].tobytes(), rows)
    assert found == pytest.approx(exact @ exact[0], abs=2e-6)
    assert found[0] == 1


def pages(vectors: Vectors, size: int) -> list[Match]:
    """Return all pages in one."""
    paged: list[Match] = []
    while True:
        after = (paged[-1].similarity, paged[-1].sequence) if paged else None
        page = list(vectors.ranked(embedding(), COPIES, after))[:size]
        if not page:
            return paged
        paged += page


@given(st.lists(st.sampled_from([0.2, 0.8, 0.81, 0.9, 1.0]), max_size=12), st.integers(1, 5))
def test_pages_join_to_the_whole_list(similarities: list[float], size: int) -> None:
    vectors = vectors_of(*similarities)
    assert pages(vectors, size) == list(vectors.ranked(embedding(), COPIES))


def test_order_is_that_of_a_full_sort() -> None:
    """Also where the most similar are sorted first, and the others when they are needed."""
    chances = np.random.default_rng(1).uniform(0.75, 1, module.ROWS + 500)
    found = list(vectors_of(*chances).ranked(embedding(), COPIES))
    assert len(found) == module.ROWS + 500 > module._SORTED_FIRST
    assert found == sorted(found, key=lambda each: (-each.similarity, -each.sequence))


def test_replaced_embedding_is_not_found() -> None:
    vectors = vectors_of(1, 0.9)
    vectors.add([stored(3, embedding(0.8), "1")])
    assert ids(vectors) == ["2", "1"]
    assert vectors.newest == 3


def test_removed_embedding_is_not_found() -> None:
    vectors = vectors_of(1, 0.9)
    vectors.remove(["1", "unknown"])
    assert ids(vectors) == ["2"]


def test_vectors_of_other_lengths_are_not_compared() -> None:
    """As those of another network under the same name."""
    one = embedding()
    odd = [
        Embedding(one.network, one.features[:2], one.outline),
        Embedding(one.network, one.features, one.outline[:2]),
    ]
    vectors = vectors_of(1)
    vectors.add(stored(n, each) for n, each in enumerate(odd, 2))
    assert ids(vectors) == ["1"]
    for each in odd:
        assert list(vectors.ranked(each, COPIES)) == []
    assert list(Vectors(4, 10).ranked(one, COPIES)) == []


def test_oldest_are_dropped_by_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was replaced by a newer one stays with that."""
    monkeypatch.setattr(module, "ROWS", 2)
    vectors = vectors_of(1, 1, 1, 1, most=4)
    vectors.add([stored(5, embedding(), "1")])
    assert ids(vectors) == ["1", "4", "3"]
    vectors.add([stored(6, embedding())])
    assert ids(vectors) == ["6", "1", "4", "3"]
    vectors.add([stored(7, embedding())])
    vectors.remove(["6", "3"])
    assert ids(vectors) == ["7", "1"]
    assert vectors.rows == 3


def test_search_in_progress_sees_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither rows that are added meanwhile nor those that are dropped disturb it."""
    monkeypatch.setattr(module, "ROWS", 2)
    vectors = vectors_of(1, 0.9, 0.8, most=4)
    search = vectors.ranked(embedding(), COPIES)
    first = next(search)
    numbers = count(4)
    vectors.add(stored(next(numbers), embedding()) for _ in range(5))
    assert [first.blob_id, *(match.blob_id for match in search)] == ["1", "2", "3"]


def test_text_of_another_length_finds_nothing() -> None:
    vectors = vectors_of(1, 0.5)
    assert list(vectors.nearest(embedding().features[:2])) == []
    assert len(list(vectors.nearest(embedding().features))) == 2
