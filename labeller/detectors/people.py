"""From faces to the labels Person and Face, as Rekognition has them. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from core.domain.label import BoundingBox, Instance, Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labeller.detectors.faces import FaceFinder
    from labeller.detectors.scores import Taxonomy
    from labeller.imaging.image import LoadedImage

FACE_PIXELS: Final = 640  # of the longer side of what faces are looked for in
PERSON: Final = "Person"
FACE: Final = "Face"
_PERSON: Final = Label(PERSON, 0)
_CATEGORIES: Final = ("Person Description",)
# What a face tells of its person's place: head and shoulders, in the face's own widths and heights.
_ABOVE: Final = 0.5
_BESIDE: Final = 1.0
_BELOW: Final = 2.0


def person_of(taxonomy: Taxonomy) -> Label:
    """Return the label of a person as a taxonomy has it, or one of its own."""
    return next((label for label in taxonomy.labels if label.name == PERSON), _PERSON)


def with_people_in(
    image: LoadedImage,
    labels: Sequence[Label],
    finder: FaceFinder,
    person: Label,
    *,
    max_labels: int,
    min_confidence: float,
) -> tuple[Label, ...]:
    """Look for faces in the whole of a picture; return labels with those of its people."""
    faces = [] if image.whole is None else finder.find(image.whole)
    sure = [face for face in faces if face.confidence >= min_confidence]
    return with_people(labels, sure, person)[:max_labels]


def with_people(
    labels: Sequence[Label], faces: Sequence[Instance], person: Label = _PERSON
) -> tuple[Label, ...]:
    """Return labels with those of people whose faces were found, most confident first.

    A Person that is there already, from a class such as Bridegroom, becomes as sure as its surest
    face; any other is `person`, as the taxonomy has it.
    """
    if not faces:
        return tuple(labels)
    surest = max(face.confidence for face in faces)
    known = next((label for label in labels if label.name == PERSON), person)
    person = replace(
        known,
        confidence=max(known.confidence, surest),
        instances=tuple(Instance(_body(each.bounding_box), each.confidence) for each in faces),
        categories=_CATEGORIES,
    )
    face = Label(FACE, surest, (PERSON,), tuple(faces), categories=_CATEGORIES)
    others = (label for label in labels if label.name not in (PERSON, FACE))
    return _by_confidence([person, face, *others])


def _by_confidence(labels: Iterable[Label]) -> tuple[Label, ...]:
    return tuple(sorted(labels, key=lambda label: -label.confidence))


def _body(face: BoundingBox) -> BoundingBox:
    left = max(0.0, face.left - _BESIDE * face.width)
    top = max(0.0, face.top - _ABOVE * face.height)
    right = min(1.0, face.left + (1 + _BESIDE) * face.width)
    bottom = min(1.0, face.top + (1 + _BELOW) * face.height)
    return BoundingBox(left, top, right - left, bottom - top)
