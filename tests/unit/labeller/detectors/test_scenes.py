"""Scenes and plants are found, and what they contradict loses confidence."""

from __future__ import annotations

import numpy as np
import pytest

from labeller.detectors.scenes import (
    ENOUGH,
    EVIDENCE,
    OTHER_EVIDENCE,
    SceneClassifier,
    evidence_of,
    load_scenes,
)
from labeller.detectors.taxonomy import load_taxonomy, read_scenes

TAXONOMY = load_taxonomy()
SCENES = load_scenes(TAXONOMY)
NAMES = [scene.name for scene in read_scenes()]
CLASSES = TAXONOMY.class_count - SCENES.label_count

# Two outputs and three classes: the first class needs the first output, the last class needs none.
SMALL = SceneClassifier(
    label_count=1,
    weights=np.array([[1, 0], [0, 2]], np.float32),
    biases=np.array([0, -1], np.float32),
    evidence=np.array([[True, False], [True, True], [False, False]]),
)


def test_outputs_do_not_depend_on_the_length_of_the_features() -> None:
    """Only their direction counts. A black picture may have none at all."""
    expected = 1 / (1 + np.exp(-np.array([0.6, 2 * 0.8 - 1])))
    assert SMALL.outputs(np.array([3.0, 4.0])) == pytest.approx(expected)
    assert SMALL.outputs(np.array([0.3, 0.4])) == pytest.approx(expected)
    assert SMALL.outputs(np.zeros(2)) == pytest.approx([0.5, 1 / (1 + np.e)])


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([1.0, 0.0], [0.5, 0.3, 0.2]),
        ([ENOUGH, 0.0], [0.5, 0.3, 0.2]),
        ([ENOUGH / 2, 0.0], [0.25, 0.15, 0.2]),
        ([0.0, ENOUGH], [0.0, 0.3, 0.2]),
    ],
)
def test_class_without_evidence_is_weakened(outputs: list[float], expected: list[float]) -> None:
    """In proportion to the best evidence, while no other class gains."""
    found = SMALL.weakened(np.array([0.5, 0.3, 0.2]), np.array(outputs))
    assert found == pytest.approx(expected)


def test_tables_fit_together() -> None:
    """Every output has a row of weights, and all evidence is an output."""
    assert SCENES.weights.shape == (len(NAMES), 1280)
    assert SCENES.biases.shape == (len(NAMES),)
    assert SCENES.evidence.shape == (CLASSES, len(NAMES)) == (1000, len(NAMES))
    assert len(set(NAMES)) == len(NAMES)
    assert {name for own in (*EVIDENCE.values(), OTHER_EVIDENCE) for name in own} <= set(NAMES)
    assert EVIDENCE.keys() <= {label.name for label in TAXONOMY.labels}


def test_labels_come_before_mere_evidence() -> None:
    """They are the taxonomy's last classes, in this order."""
    uses = [scene.is_label for scene in read_scenes()]
    assert uses == sorted(uses, reverse=True)
    last = TAXONOMY.labels_of_classes()[CLASSES:]
    assert all(name in labels for name, labels in zip(NAMES, last, strict=False))
    assert len(last) == sum(uses)


@pytest.mark.parametrize(
    ("labels", "evidence"),
    [
        ({"Fern Bird", "Bird", "Animal"}, ("Animal",)),
        ({"Mushroom", "Fungus"}, ()),
        ({"Solar Collector"}, OTHER_EVIDENCE),
    ],
)
def test_evidence_depends_on_the_kind_of_a_class(
    labels: set[str], evidence: tuple[str, ...]
) -> None:
    assert evidence_of(labels) == evidence
