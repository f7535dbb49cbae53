"""The labels Person and Face, as Rekognition returns them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from core.domain.label import BoundingBox, Instance, Label
from labeller.detectors.bodies import open_body_finder
from labeller.detectors.boxes import Boxes, joined
from labeller.detectors.faces import open_face_finder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from labeller.detectors.bodies import BodyFinder
    from labeller.detectors.boxes import Floats
    from labeller.detectors.faces import FaceFinder
    from labeller.detectors.taxonomy import Taxonomy
    from labeller.imaging.image import LoadedImage

PIXELS: Final = 640 * 480  # of the picture in which people are searched
PERSON: Final = "Person"
FACE: Final = "Face"
_PERSON: Final = Label(PERSON, 0)
_CATEGORIES: Final = ("Person Description",)

# Below this score nine of ten boxes are no people. Those above are searched for faces.
CANDIDATE: Final = 0.2
# A face that fills the picture is often no body: between this score and certainty, all of the
# picture is searched for large faces.
DOUBT: Final = 0.08
CLOSE_PIXELS: Final = 160  # longer side of the picture then: a face has a quarter of it or more
SURE: Final = 0.55  # confidence
# Searched for faces; a crowd has more. The most confident come first.
MAX_SEARCHED: Final = 8
# The longer side of a person when searched for faces: they have a ninth of it or more.
FACE_PIXELS: Final = 320
MARGIN: Final = 0.1  # of a box's sides, that a head may reach beyond it
# Boxes of one body, or of one face in two bodies, share more than this of the smaller.
OVERLAP: Final = 0.8
FACE_OVERLAP: Final = 0.5
# How far a body of which only the face was found reaches beyond it, in sizes of the face: left,
# above, right and below.
BEYOND: Final = (-1.0, -0.5, 1.0, 2.0)
_WHOLE: Final = np.array([0.0, 0.0, 1.0, 1.0])
# The share of boxes of a score that are people, as a logistic function of the score's logit.
SLOPE: Final = 2.5
SHIFT: Final = 1.3


@dataclass(frozen=True, slots=True)
class People:
    """The people and the faces in a picture, most confident first."""

    bodies: tuple[Instance, ...] = ()
    faces: tuple[Instance, ...] = ()

    def any_from(self, confidence: float) -> bool:
        """Return whether a person has that confidence (0 to 100), or more."""
        return any(body.confidence >= confidence for body in self.bodies)


class PeopleFinder:
    """Finds people, and the faces of those. Safe to call from several threads at once."""

    def __init__(self, bodies: BodyFinder, faces: FaceFinder) -> None:
        self._bodies = bodies
        self._faces = faces
        self.name: Final = f"{bodies.name}+{faces.name}"

    def find(self, image: LoadedImage) -> People:
        """Return the people in a picture. Raises Unavailable."""
        if image.whole is None:
            return People()
        picture = Image.fromarray(image.whole)
        doubtful = self._bodies.find(picture, DOUBT)
        found = doubtful.with_score(CANDIDATE)
        confidences = calibrated(found.scores)
        faces = [
            self._faces_in(picture, edges, FACE_PIXELS, MARGIN)
            for edges in found.edges[:MAX_SEARCHED]
        ]
        for index, each in enumerate(faces):
            confidences[index] = max([confidences[index], *each.scores])
        bodies = [Boxes(found.edges, confidences)]
        if doubtful.scores.size and max([0, *confidences]) < SURE:
            close = self._faces_in(picture, _WHOLE, CLOSE_PIXELS)
            faces.append(close)
            bodies.append(close.shifted(np.array(BEYOND)))
        return People(_merged(bodies, OVERLAP), _merged(faces, FACE_OVERLAP))

    def add_to(
        self,
        labels: Sequence[Label],
        image: LoadedImage,
        person: Label,
        *,
        max_labels: int,
        min_confidence: float,
    ) -> tuple[Label, ...]:
        """Return a picture's labels with those of its people, as `with_people`."""
        return with_people(
            labels,
            self.find(image),
            person,
            max_labels=max_labels,
            min_confidence=min_confidence,
        )

    def _faces_in(self, picture: Image.Image, edges: Floats, most: int, margin: float = 0) -> Boxes:
        """Return the faces in a box, as shares of the picture, seen with so many pixels a side."""
        beyond = margin * (edges[2:] - edges[:2])
        low, high = np.maximum(edges[:2] - beyond, 0), np.minimum(edges[2:] + beyond, 1)
        box = np.concatenate([low, high]) * np.tile(picture.size, 2)
        size = box[2:] - box[:2]
        size = np.maximum(np.rint(size * min(1.0, most / size.max())), 1).astype(int)
        seen = picture.resize(tuple(size), Image.Resampling.BILINEAR, tuple(box))
        found = self._faces.find(seen)
        shares = np.clip(found.edges / np.tile(size, 2), 0, 1)
        return Boxes(shares * np.tile(high - low, 2) + np.tile(low, 2), found.scores)


def _merged(boxes: Sequence[Boxes], overlap: float) -> tuple[Instance, ...]:
    """Return the boxes as instances, most confident first, each body or face once."""
    return instances(joined(boxes).with_score(0).without_overlaps(overlap, of_smaller=True))


def open_people_finder(model: Path | None) -> PeopleFinder:
    """Load the networks. Raises ModelUnusable if one is missing or damaged."""
    return PeopleFinder(open_body_finder(model), open_face_finder())


def calibrated(scores: Floats) -> Floats:
    """Return the share of boxes with those scores (0 to 1) that are people."""
    scores = np.clip(scores, 1e-6, 1 - 1e-6)
    confidences: Floats = 1 / (1 + np.exp(-SLOPE * np.log(scores / (1 - scores)) - SHIFT))
    return confidences


def instances(boxes: Boxes) -> tuple[Instance, ...]:
    """Return boxes as a label's instances, without those of no size."""
    return tuple(
        Instance(
            BoundingBox(left, top, right - left, bottom - top), min(round(score * 100, 3), 100.0)
        )
        for (left, top, right, bottom), score in zip(
            np.clip(boxes.edges, 0, 1).tolist(), boxes.scores.tolist(), strict=True
        )
        if left < right and top < bottom
    )


def person_of(taxonomy: Taxonomy) -> Label:
    """Return a taxonomy's label Person, or a default one."""
    return next((label for label in taxonomy.labels if label.name == PERSON), _PERSON)


def with_people(
    labels: Sequence[Label],
    people: People,
    person: Label = _PERSON,
    *,
    max_labels: int,
    min_confidence: float,
) -> tuple[Label, ...]:
    """Return `labels` with Person and Face, most confident first.

    People and faces below `min_confidence` are left out. A Person among `labels`, from a class such
    as Bridegroom, gets at least the confidence of the most confident body. Otherwise `person`, the
    taxonomy's label, is added.
    """
    bodies, faces = (
        tuple(each for each in found if each.confidence >= min_confidence)
        for found in (people.bodies, people.faces)
    )
    if not bodies:
        return tuple(labels)
    known = next((label for label in labels if label.name == PERSON), person)
    added = [
        replace(
            known,
            confidence=max(known.confidence, bodies[0].confidence),
            instances=bodies,
            categories=_CATEGORIES,
        )
    ]
    if faces:
        face = Label(FACE, faces[0].confidence, (PERSON,), faces, categories=_CATEGORIES)
        added.append(face)
    others = (label for label in labels if label.name not in (PERSON, FACE))
    return _by_confidence([*added, *others])[:max_labels]


def _by_confidence(labels: Iterable[Label]) -> tuple[Label, ...]:
    return tuple(sorted(labels, key=lambda label: -label.confidence))
