"""The detector that runs an ONNX classifier of ImageNet's thousand classes on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from core.domain.blob import Detection
from core.domain.errors import Unavailable
from labeller.detectors.calibration import calibrated
from labeller.detectors.people import FACE_PIXELS, person_of, with_people_in
from labeller.detectors.runtime import ModelUnusable, open_session
from labeller.detectors.scores import VERSION, labels_from, load_taxonomy
from labeller.imaging.image import Frame, load

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from labeller.detectors.base import Picture
    from labeller.detectors.faces import FaceFinder
    from labeller.detectors.scores import Taxonomy
    from labeller.imaging.image import LoadedImage


class OnnxDetector:
    """Classifies the middle of a picture, adds the probabilities up to labels, and finds faces.

    The session takes uint8 of shape (N, side, side, 3), RGB, and gives a softmax over the
    taxonomy's classes. It is named by its graph and version, the version of its labels, and by
    `faces`, without which people are found only where a class says so. Each call runs on its own
    thread: call it from as many threads as there are cores.
    """

    def __init__(
        self,
        session: InferenceSession,
        taxonomy: Taxonomy,
        *,
        max_pixels: int,
        faces: FaceFinder | None = None,
    ) -> None:
        self._session = session
        self._faces = faces
        self._taxonomy = taxonomy
        self._person = person_of(taxonomy)
        self._max_pixels = max_pixels
        ends = [*session.get_inputs(), *session.get_outputs()]
        match [(end.type, end.shape) for end in ends]:
            case [
                ("tensor(uint8)", [_, int(side), int(width), 3]),
                ("tensor(float)", [_, taxonomy.class_count]),
            ] if side == width:
                self._side = side
            case found:
                raise ModelUnusable(f"The model takes and gives {found}, which is not expected.")
        self._input, self._output = (end.name for end in ends)
        meta = session.get_modelmeta()
        self._name = f"{meta.graph_name}/{meta.version}.{VERSION}" + (
            f"+{faces.name}" if faces else ""
        )

    @property
    def name(self) -> str:
        """The model and its version, as kept with the labels."""
        return self._name

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return what is seen in the picture, as the port promises."""
        image = self.prepare(picture)
        labels = labels_from(
            calibrated(self.infer(image), image.pixels),
            self._taxonomy,
            max_labels=max_labels,
            min_confidence=min_confidence,
        )
        if self._faces:
            labels = with_people_in(
                image,
                labels,
                self._faces,
                self._person,
                max_labels=max_labels,
                min_confidence=min_confidence,
            )
        return Detection(labels, image.width, image.height, self._name, image.kind)

    def prepare(self, picture: Picture) -> LoadedImage:
        """Decode a picture to what the network takes. Raises as `detect` does."""
        with picture.open() as stream:
            return load(
                stream,
                frame=Frame(self._side, self._side),
                max_pixels=self._max_pixels,
                whole=FACE_PIXELS if self._faces else None,
            )

    def infer(self, image: LoadedImage) -> NDArray[np.floating[Any]]:
        """Return the probability of each class. Raises Unavailable."""
        try:
            (probabilities,) = self._session.run(
                [self._output], {self._input: image.pixels[np.newaxis]}
            )
        except Exception as exc:  # the runtime's errors have no other class in common
            raise Unavailable(f"The detector {self._name} failed: {exc}") from exc
        result: NDArray[np.floating[Any]] = probabilities[0]
        return result


def open_detector(model: Path, *, max_pixels: int, faces: bool = False) -> OnnxDetector:
    """Load a model for pictures of at most `max_pixels`; with `faces` also what finds them.

    Raises:
        ModelUnusable: a file is missing, or is not a model this detector can run.

    """
    if not model.is_file():
        raise ModelUnusable(f"No model at {model}: run ./run once to build it")
    session = open_session(model, "Delete it, and ./run builds it again")
    finder = None
    if faces:
        from labeller.detectors.faces import open_face_finder  # noqa: PLC0415

        finder = open_face_finder()
    return OnnxDetector(session, load_taxonomy(), max_pixels=max_pixels, faces=finder)
