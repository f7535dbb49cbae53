"""Similar pictures of an owner, over the real database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.domain.blob import Blob, label_again, record_failure, record_labels
from core.domain.label import Detection, Embedding
from core.domain.similar import DUPLICATE_FROM, SimilarKind
from embedded.similar import index as module
from embedded.similar import vectors
from embedded.similar.index import SimilarIndex
from tests.support.blobs import CORRUPT
from tests.support.images.embeddings import embedding, of_colour, of_text
from tests.support.services.embedded_stores import EmbeddedStores

ALIKE = (SimilarKind.DUPLICATE, SimilarKind.SIMILAR)


def picture(stores: EmbeddedStores, similarity: float, owner: str = "anna") -> Blob:
    return stores.labelled(owner, embedding=embedding(similarity))


def relabelled(stores: EmbeddedStores, blob: Blob, new: Embedding | None) -> None:
    waiting = stores.saved(label_again(blob, stores.clock()))
    stores.saved(record_labels(waiting, stores.clock(), Detection((), 1, 1, "eye 2")), new)


def found(
    index: SimilarIndex, blob: Blob, kind: SimilarKind = SimilarKind.DUPLICATE, first: int = 10
) -> list[str] | None:
    page = index.find(blob.owner, blob.id, kind, first=first)
    return page and [each.blob.id for each in page.items]  # type: ignore[return-value]


@pytest.fixture
def index(stores: EmbeddedStores) -> SimilarIndex:
    return SimilarIndex(stores.database)


def test_duplicates_and_similar_ones_are_told_apart(
    stores: EmbeddedStores, index: SimilarIndex
) -> None:
    """Neither contains the blob itself, nor what doesn't look like it."""
    one = picture(stores, 1)
    copy, alike, other = (picture(stores, each) for each in (0.99, 0.5, -0.5))
    assert found(index, one) == [copy.id]
    assert found(index, one, SimilarKind.SIMILAR) == [alike.id]
    assert found(index, other) == []


def test_only_pictures_of_the_same_owner_are_found(
    stores: EmbeddedStores, index: SimilarIndex
) -> None:
    annas, boriss = picture(stores, 1), picture(stores, 1, "boris")
    assert found(index, annas) == []
    assert index.find("anna", boriss.id, SimilarKind.DUPLICATE, first=10) is None


def test_only_embeddings_of_the_same_network_are_compared(
    stores: EmbeddedStores, index: SimilarIndex
) -> None:
    one, old = picture(stores, 1), stores.labelled(embedding=embedding(network="eye/0"))
    assert found(index, one) == found(index, old) == []
    relabelled(stores, old, embedding())
    assert found(index, one) == [old.id]


def test_blob_without_embedding_is_not_comparable(
    stores: EmbeddedStores, index: SimilarIndex
) -> None:
    """None instead of an empty page: nothing is known of it."""
    picture(stores, 1)
    for blob in (stores.labelled(), stores.awaiting(), stores.failed()):
        assert found(index, blob) is None
    assert index.find("anna", "unknown", SimilarKind.SIMILAR, first=1) is None


def test_new_relabelled_failed_and_deleted_blobs_are_followed(
    stores: EmbeddedStores, index: SimilarIndex
) -> None:
    one = picture(stores, 1)
    assert found(index, one) == []
    copy, second, third = (picture(stores, 1) for _ in range(3))
    assert found(index, one) == [third.id, second.id, copy.id]
    relabelled(stores, copy, embedding(0.1))
    assert found(index, one) == [third.id, second.id]
    stores.blobs.delete(stores.now(second), stores.clock())
    assert found(index, one) == [third.id]
    waiting = stores.saved(label_again(third, stores.clock()))
    stores.saved(record_failure(waiting, stores.clock(), CORRUPT))
    assert found(index, one) == []


def test_another_process_sees_the_same(stores: EmbeddedStores, index: SimilarIndex) -> None:
    """The index is built from the database alone, so a crash can't lose or keep anything."""
    one, copy = picture(stores, 1), picture(stores, 1)
    assert found(index, one) == [copy.id]
    stores.blobs.delete(copy, stores.clock())
    assert found(SimilarIndex(stores.database), one) == []
    assert found(index, one) == []


@pytest.mark.parametrize("first", [1, 2, 3])
def test_deleted_blobs_leave_no_gap_in_a_page(
    stores: EmbeddedStores, index: SimilarIndex, first: int
) -> None:
    one, *copies = [picture(stores, 1) for _ in range(10)]
    found(index, one)
    for each in copies[1::2]:
        stores.blobs.delete(each, stores.clock())
    left = [each.id for each in reversed(copies[::2])]
    page = index.find("anna", one.id, SimilarKind.DUPLICATE, first=first)
    assert page is not None
    assert [each.blob.id for each in page.items] == left[:first]
    assert page.has_next == (len(left) > first)


def test_pages_join_to_the_whole_list(stores: EmbeddedStores, index: SimilarIndex) -> None:
    one = picture(stores, 1)
    for each in (0.99, 1, 0.8, 1, 0.9):
        picture(stores, each)
    whole, paged, after = found(index, one), [], None
    while True:
        page = index.find("anna", one.id, SimilarKind.DUPLICATE, first=2, after=after)
        assert page is not None
        paged += [each.blob.id for each in page.items]
        if not page.has_next:
            break
        after = page.items[-1].similarity, page.items[-1].sequence
    assert paged == whole
    assert len(paged) == 5


def test_similarity_of_duplicates_is_at_least_the_threshold(
    stores: EmbeddedStores, index: SimilarIndex
) -> None:
    one = picture(stores, 1)
    for hundredths in range(60, 80):
        picture(stores, hundredths / 100)
    pages = [index.find("anna", one.id, kind, first=100) for kind in ALIKE]
    duplicates, similar = ([e.similarity for e in page.items] for page in pages if page)
    assert min(duplicates) >= DUPLICATE_FROM > max(similar)
    assert len(duplicates) + len(similar) == 20


def test_memory_of_deleted_blobs_is_given_back(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of those that no search has come across."""
    for each in (module, vectors):
        monkeypatch.setattr(each, "ROWS", 2)
    index = SimilarIndex(stores.database)
    one = picture(stores, 1)
    for _ in range(20):
        other = picture(stores, 0.1)
        found(index, one)
        stores.blobs.delete(other, stores.clock())
    (held,) = index._owners.values()
    assert held.vectors.rows <= 6
    assert found(index, one) == []


def test_owners_who_searched_long_ago_are_forgotten(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And read again when they search again."""
    for each in (module, vectors):
        monkeypatch.setattr(each, "ROWS", 2)
    index = SimilarIndex(stores.database, max_bytes=2 * 2 * 4)
    pairs = {owner: [picture(stores, 1, owner) for _ in range(2)] for owner in "abc"}
    for owner in "abca":
        one, copy = pairs[owner]
        assert found(index, one) == [copy.id]
    assert [owner for owner, *_ in index._owners] == ["c", "a"]


def test_owner_with_too_many_pictures_finds_the_newest(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in (module, vectors):
        monkeypatch.setattr(each, "ROWS", 2)
    blobs = [picture(stores, 1) for _ in range(7)]
    index = SimilarIndex(stores.database, max_bytes=4 * 4)
    newest = [each.id for each in reversed(blobs)]
    assert found(index, blobs[0]) == newest[:4]


def test_searches_and_changes_at_the_same_time_agree(
    stores: EmbeddedStores, index: SimilarIndex
) -> None:
    """Each search returns blobs that exist, and the last one returns them all."""
    one = picture(stores, 1)
    kept = [picture(stores, 1) for _ in range(20)]
    with ThreadPoolExecutor(4) as pool:
        searches = [pool.submit(found, index, one, first=100) for _ in range(20)]
        kept += [picture(stores, 1) for _ in range(20)]
        assert all(set(each.result() or ()) <= {blob.id for blob in kept} for each in searches)
    assert found(index, one, first=100) == [each.id for each in reversed(kept)]


# Searches by a text.


@pytest.fixture
def texts(stores: EmbeddedStores) -> SimilarIndex:
    return SimilarIndex(stores.database, encode=of_text)


def coloured(stores: EmbeddedStores, *colour: int, owner: str = "anna") -> Blob:
    return stores.labelled(owner, embedding=of_colour(*colour))


def described(index: SimilarIndex, text: str, owner: str = "anna", first: int = 10) -> list[str]:
    page = index.find_by_text(owner, text, first=first)
    assert page is not None
    return [each.blob.id for each in page.items]


def test_a_text_ranks_all_pictures(stores: EmbeddedStores, texts: SimilarIndex) -> None:
    """Those that it does not describe come last, and of equal ones the last labelled is first."""
    green, red, yellow, again = (
        coloured(stores, *each) for each in ((0, 9, 0), (9, 0, 0), (9, 9, 0), (5, 0, 0))
    )
    assert described(texts, "red") == [again.id, red.id, yellow.id, green.id]
    page = texts.find_by_text("anna", "red", first=10)
    assert page is not None
    assert [each.similarity for each in page.items] == pytest.approx([1, 1, 0.5**0.5, 0], abs=0.001)


def test_a_text_finds_nothing_of_other_owners(stores: EmbeddedStores, texts: SimilarIndex) -> None:
    annas, boriss = coloured(stores, 9, 0, 0), coloured(stores, 9, 0, 0, owner="boris")
    assert described(texts, "red") == [annas.id]
    assert described(texts, "red", owner="boris") == [boriss.id]
    assert described(texts, "red", owner="carla") == []


def test_a_text_finds_nothing_that_was_deleted_or_failed(
    stores: EmbeddedStores, texts: SimilarIndex
) -> None:
    gone, broken, kept = (coloured(stores, 9, 0, 0) for _ in range(3))
    assert len(described(texts, "red")) == 3
    stores.blobs.delete(gone, stores.clock())
    waiting = stores.saved(label_again(broken, stores.clock()))
    stores.saved(record_failure(waiting, stores.clock(), CORRUPT, "eye 2"))
    assert described(texts, "red", first=1) == [kept.id]
    assert described(texts, "red") == [kept.id]


def test_a_text_finds_only_pictures_of_its_network(
    stores: EmbeddedStores, texts: SimilarIndex
) -> None:
    """Neither those of the classifier that comes with the service, nor of an earlier version."""
    one, old = coloured(stores, 9, 0, 0), picture(stores, 1)
    earlier = Embedding("clip/0", of_colour(9, 0, 0).features, b"")
    stores.labelled("anna", embedding=earlier)
    assert described(texts, "red") == [one.id]
    relabelled(stores, old, of_colour(9, 9, 0))
    assert described(texts, "red") == [one.id, old.id]


def test_pages_of_a_text_follow_one_another(stores: EmbeddedStores, texts: SimilarIndex) -> None:
    """Also where pictures are equally similar."""
    for colour in ((9, 0, 0), (9, 1, 0), (9, 1, 0), (0, 9, 0), (9, 0, 0)):
        coloured(stores, *colour)
    expected = described(texts, "red")
    seen: list[str] = []
    after = None
    while True:
        page = texts.find_by_text("anna", "red", first=2, after=after)
        assert page is not None
        seen += [each.blob.id for each in page.items]
        after = page.items[-1].similarity, page.items[-1].sequence
        if not page.has_next:
            break
    assert seen == expected
    assert len(set(seen)) == 5


def test_without_a_text_encoder_no_text_is_compared(
    stores: EmbeddedStores, index: SimilarIndex
) -> None:
    coloured(stores, 9, 0, 0)
    assert index.find_by_text("anna", "red", first=10) is None


def test_pictures_that_are_compared_with_texts_alone_have_no_similar_ones(
    stores: EmbeddedStores, texts: SimilarIndex
) -> None:
    """The thresholds of `similar` are those of another network."""
    one, _ = coloured(stores, 9, 0, 0), coloured(stores, 9, 0, 0)
    assert found(texts, one) is None
    assert found(texts, one, SimilarKind.SIMILAR) is None
