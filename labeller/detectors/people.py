"""The labels Person and Face from detected faces, as Rekognition returns them. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from core.domain.label import BoundingBox, Instance, Label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labeller.detectors.faces import FaceFinder
    from labeller.detectors.taxonomy import Taxonomy
    from labeller.imaging.image import LoadedImage

FACE_PIXELS: Final = 640  # longer side of the picture in which faces are searched
PERSON: Final = "Person"
FACE: Final = "Face"
_PERSON: Final = Label(PERSON, 0)
_CATEGORIES: Final = ("Person Description",)
# How far a person's box, of head and shoulders, reaches beyond the face, in sizes of the face.
_ABOVE: Final = 0.5
_BESIDE: Final = 1.0
_BELOW: Final = 2.0


def person_of(taxonomy: Taxonomy) -> Label:
    """Return a taxonomy's label Person, or a default one."""
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
    """Find faces in the whole picture, and return `labels` with Person and Face."""
    faces = [] if image.whole is None else finder.find(image.whole)
    confident = [face for face in faces if face.confidence >= min_confidence]
    return with_people(labels, confident, person)[:max_labels]


def with_people(
    labels: Sequence[Label], faces: Sequence[Instance], person: Label = _PERSON
) -> tuple[Label, ...]:
    """Return `labels` with Person and Face for the given faces, most confident first.

    A Person among `labels`, from a class such as Bridegroom, gets at least the confidence of the
    most confident face. Otherwise `person`, the taxonomy's label, is added.
    """
    if not faces:
        return tuple(labels)
    highest = max(face.confidence for face in faces)
    known = next((label for label in labels if label.name == PERSON), person)
    person = replace(
        known,
        confidence=max(known.confidence, highest),
        instances=tuple(Instance(_body(each.bounding_box), each.confidence) for each in faces),
        categories=_CATEGORIES,
    )
    face = Label(FACE, highest, (PERSON,), tuple(faces), categories=_CATEGORIES)
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
