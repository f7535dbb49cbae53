"""Detector that runs any ONNX network which finds objects and is described by a TOML file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from core.domain.errors import Unavailable
from core.domain.label import Detection, Label
from labeller.detectors.box_file import read_box_network
from labeller.detectors.box_formats import Objects, WrongOutput, objects_in
from labeller.detectors.boxes import Boxes
from labeller.detectors.classifier_file import NO_LABEL, read_classes
from labeller.detectors.network_input import BLACK, WHITE, InputTensor
from labeller.detectors.onnx_session import ModelUnusable, open_session
from labeller.detectors.people import PIXELS, instances, person_of
from labeller.detectors.taxonomy import Taxonomy, labels_from
from labeller.imaging.image import load, place_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from core.domain.label import Instance
    from labeller.detectors.base import Picture
    from labeller.detectors.box_file import BoxNetwork
    from labeller.detectors.classifier_file import Classes
    from labeller.detectors.people import PeopleFinder
    from labeller.detectors.toml_table import Table

MIN_SCORE: Final = 0.05  # boxes below are noise
# Compared with each other; a network returns thousands, tens of them for each object.
MAX_COMPARED: Final = 1000


class BoxDetector:
    """Finds objects as a network's file describes.

    A label's confidence is the highest score of its boxes, and that of a parent the highest of its
    classes. The creation compares the file with the model and runs the model on two test pictures.
    A call runs on its caller's thread.
    """

    def __init__(
        self,
        network: BoxNetwork,
        session: InferenceSession,
        classes: Classes,
        *,
        max_pixels: int,
        people: PeopleFinder | None = None,
    ) -> None:
        self._network = network
        self._session = session
        self._classes = classes.names
        self._taxonomy = Taxonomy.build(classes.names, classes.parents)
        self._max_pixels = max_pixels
        self._people = people
        self._person = person_of(self._taxonomy)
        self._name = f"{network.name}/{network.version}" + (f"+{people.name}" if people else "")
        self._input = InputTensor(network.file, network.input, session)
        self._output_names = [output.name for output in session.get_outputs()]
        self._check_outputs()

    @property
    def name(self) -> str:
        """The network and its version, which are stored with the labels."""
        return self._name

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return the labels of a picture, as `Detector.detect` specifies."""
        frame = self._network.input.frame
        with picture.open() as stream:
            image = load(
                stream,
                frame=frame,
                max_pixels=self._max_pixels,
                whole=PIXELS if self._people else None,
            )
        try:
            objects = self._find(image.pixels)
        except Exception as exc:  # ONNX Runtime's errors have no other common base class
            raise Unavailable(f"The detector {self._name} failed: {exc}") from exc
        low, high = np.split(np.array(place_of(frame, image.width, image.height)), 2)
        edges = objects.edges * np.tile(high - low, 2) + np.tile(low, 2)
        labels = self._labels(objects._replace(edges=edges), max_labels, min_confidence)
        if self._people:
            labels = self._people.add_to(
                labels, image, self._person, max_labels=max_labels, min_confidence=min_confidence
            )
        return Detection(labels, image.width, image.height, self._name, image.kind)

    def _labels(
        self, objects: Objects, max_labels: int, min_confidence: float
    ) -> tuple[Label, ...]:
        """Return the labels of objects, each with its boxes."""
        least = max(MIN_SCORE, min_confidence / 100)
        best = np.argsort(-objects.scores, kind="stable")[:MAX_COMPARED]
        best = best[objects.scores[best] >= least]
        scores = np.zeros(len(self._classes))
        boxes: dict[str, tuple[Instance, ...]] = {}
        for each in np.unique(objects.classes[best]):
            name = self._classes[each]
            if name != NO_LABEL:
                rows = best[objects.classes[best] == each]
                found = Boxes(objects.edges[rows], objects.scores[rows])
                found = found.with_score(least).without_overlaps(self._network.overlap)
                scores[each] = min(found.scores[0], 1.0)
                boxes[name] = (*boxes.get(name, ()), *instances(found))
        labels = labels_from(
            scores,
            self._taxonomy,
            max_labels=max_labels,
            min_confidence=min_confidence,
            combine=np.maximum,
        )
        return tuple(replace(each, instances=boxes.get(each.name, ())) for each in labels)

    def _find(self, pixels: NDArray[np.uint8]) -> Objects:
        outputs = self._session.run(self._output_names, {self._input.name: self._input.of(pixels)})
        named: dict[str, Any] = dict(zip(self._output_names, outputs, strict=True))
        return objects_in(self._network, named, len(self._classes))

    def _check_outputs(self) -> None:
        """Run the model on a black and a white picture, and compare its outputs with the file."""
        for shade in (BLACK, WHITE):
            try:
                self._find(self._input.blank(shade))
            except WrongOutput as error:
                raise ModelUnusable(f"{self._network.file}: {error.key} {error}.") from error
            except Exception as exc:  # as in detect
                raise ModelUnusable(
                    f"{self._network.file}: model fails on a picture: {exc}; check input.size and "
                    "input.layout."
                ) from exc


def open_box_detector(
    file: Path, top: Table, *, max_pixels: int, people: PeopleFinder | None = None
) -> BoxDetector:
    """Load the network that a file describes. Raises ModelUnusable."""
    network = read_box_network(file, top)
    classes = read_classes(network.labels)
    session = open_session(network.model, f"Set another model in {file}, or export it again.")
    return BoxDetector(network, session, classes, max_pixels=max_pixels, people=people)
