"""Topics and filters of subscriptions."""

from __future__ import annotations

import pytest

from api.graphql.subscriptions import has_label
from core.domain.change import Change
from core.events.topics import topics_of
from tests.support.blobs import a_blob, again, failed, labelled, uploaded

AWAITING = a_blob()
UPLOADED = uploaded(AWAITING)
LABELLED = labelled(UPLOADED, ("Cat", 90.0), ("Sofa", 60.0))


@pytest.mark.parametrize(
    ("label", "least", "wanted"),
    [
        (None, 0, True),
        (None, 90, True),
        (None, 90.1, False),
        ("cat", 90, True),
        ("CAT", 91, False),
        ("Sofa", 61, False),
        ("Dog", 0, False),
        ("", 0, False),
    ],
)
def test_label_is_matched_by_name_and_its_own_confidence(
    label: str | None, least: float, wanted: bool
) -> None:
    """The case is ignored. Without a name, any label matches."""
    assert has_label(LABELLED, label, least) is wanted


def test_blob_without_labels_matches_when_nothing_is_required() -> None:
    blob = labelled(UPLOADED)
    assert has_label(blob, None, 0)
    assert not has_label(blob, None, 1)


@pytest.mark.parametrize(
    ("old", "new", "labelled_too"),
    [
        (None, AWAITING, False),
        (AWAITING, UPLOADED, False),
        (UPLOADED, LABELLED, True),
        (UPLOADED, failed(UPLOADED), False),
        (LABELLED, again(LABELLED), False),
        (again(LABELLED), labelled(again(LABELLED), ("Dog", 80.0)), True),
        (LABELLED, None, False),
    ],
)
def test_change_has_the_topics_of_its_blob_and_of_labellings(
    old: object, new: object, labelled_too: bool
) -> None:
    """Each labelling counts once, the first and later ones."""
    topics = topics_of(Change(old, new))  # type: ignore[arg-type]
    expected = [f"blob#{AWAITING.id}", *(["labelled#anna"] if labelled_too else [])]
    assert list(topics) == expected
