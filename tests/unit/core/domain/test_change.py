"""Changes of blobs."""

from __future__ import annotations

import pytest

from core.domain.blob import Blob, expire
from core.domain.change import Change, label_names
from core.domain.corrections import DecisionKind
from core.domain.edits import set_facts
from core.domain.facts import Facts
from tests.support.blobs import NOON, a_blob, again, corrected, failed, labelled, uploaded

AWAITING = a_blob()
LABELLING = uploaded(AWAITING)
LABELLED = labelled(LABELLING, ("Cat", 90.0), ("Animal", 95.0))
AGAIN = again(LABELLED)
EDITED = corrected(LABELLED, DecisionKind.ADDED, "Cow")
EDITED_AGAIN = corrected(AGAIN, DecisionKind.ADDED, "Cow")
FAILED = failed(LABELLING)
NAME = Facts("cat.jpg")


@pytest.mark.parametrize(
    ("old", "new", "finished"),
    [
        (None, AWAITING, False),
        (AWAITING, LABELLING, False),
        (LABELLING, LABELLED, True),
        (LABELLING, FAILED, True),
        (AWAITING, labelled(AWAITING, ("Cat", 90.0)), True),
        (None, LABELLED, True),
        (LABELLED, AGAIN, False),
        (AGAIN, labelled(AGAIN, ("Cat", 90.0)), True),
        (FAILED, labelled(again(FAILED)), True),
        (AWAITING, expire(AWAITING, AWAITING.created_at), False),
        (LABELLED, LABELLED, False),
        (FAILED, FAILED, False),
        (LABELLED, EDITED, False),
        (EDITED, corrected(EDITED, None, "Cow"), False),
        (EDITED_AGAIN, labelled(EDITED_AGAIN, ("Cat", 90.0)), True),
        *(
            (blob, set_facts(blob, blob.created_at, NAME), False)
            for blob in (AWAITING, LABELLING, LABELLED, FAILED, EDITED, EDITED_AGAIN)
        ),
        (LABELLED, None, False),
        (None, None, False),
    ],
)
def test_change_finishes_a_blob_once(old: Blob | None, new: Blob | None, *, finished: bool) -> None:
    """The write that made it LABELLED or FAILED, and no other."""
    assert Change(old, new).finished == (new if finished else None)


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (None, AWAITING, False),
        (LABELLING, LABELLED, True),
        (LABELLING, labelled(LABELLING), False),
        (LABELLED, AGAIN, False),
        (AGAIN, labelled(AGAIN, ("Animal", 60.0), ("Cat", 55.0)), False),
        (AGAIN, labelled(AGAIN, ("Cat", 90.0)), True),
        (AGAIN, failed(AGAIN), True),
        (LABELLING, FAILED, False),
        (LABELLED, None, True),
        (LABELLED, EDITED, True),
        (EDITED, again(EDITED), False),
    ],
)
def test_labels_change_when_the_set_of_names_does(
    old: Blob | None, new: Blob | None, *, changed: bool
) -> None:
    """Order and confidence do not matter."""
    assert Change(old, new).labels_changed is changed


def test_label_names_are_those_of_the_blob() -> None:
    """There are none for a blob without labels, or for no blob."""
    assert label_names(LABELLED) == {"Cat", "Animal"}
    assert label_names(AWAITING) == label_names(None) == frozenset()


@pytest.mark.parametrize(
    ("old", "new", "edited"),
    [
        (LABELLED, EDITED, True),
        (EDITED, corrected(EDITED, None, "Cow"), True),
        (LABELLED, corrected(LABELLED, DecisionKind.REMOVED, "Cow"), True),
        (AGAIN, EDITED_AGAIN, True),
        (LABELLED, set_facts(LABELLED, NOON, NAME), True),
        (set_facts(LABELLING, NOON, NAME), labelled(set_facts(LABELLING, NOON, NAME)), False),
        (EDITED, again(EDITED), False),
        (EDITED_AGAIN, labelled(EDITED_AGAIN), False),
        (LABELLING, LABELLED, False),
        (EDITED, EDITED, False),
        (EDITED, None, False),
        (None, EDITED, False),
    ],
)
def test_change_of_decisions_or_facts_is_an_edit(
    old: Blob | None, new: Blob | None, *, edited: bool
) -> None:
    """In whatever state the blob is, and whether or not its labels change."""
    assert Change(old, new).edited == (new if edited else None)
