"""The detector of the embedded service: EfficientNet-Lite0 on onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime

from catalogue.blob import Detection
from catalogue.errors import CatalogueError, Unavailable
from labeller.detectors.efficientnet_lite import NAME, SIDE
from labeller.detectors.scores import Taxonomy, labels_from, load_taxonomy
from labeller.image import Loaded, load

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from labeller.detectors.base import Picture


class NoModel(CatalogueError):
    """The model's file is missing or damaged."""


class OnnxDetector:
    """Labels pictures with an ImageNet-1k classifier. Each call uses the thread it is made in."""

    def __init__(
        self, session: onnxruntime.InferenceSession, taxonomy: Taxonomy, *, max_pixels: int
    ) -> None:
        self._session = session
        self._taxonomy = taxonomy
        self._max_pixels = max_pixels

    @property
    def name(self) -> str:
        """The detector and its version."""
        return NAME

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return the labels of a picture, most confident first.

        Raises:
            PictureRefused: see `labeller.image.load`.
            OriginalNotFound, Unavailable: its bytes are gone, or can't be read now.

        """
        loaded = self.prepare(picture)
        labels = labels_from(
            self.infer(loaded.pixels),
            self._taxonomy,
            max_labels=max_labels,
            min_confidence=min_confidence,
        )
        return Detection(labels, loaded.width, loaded.height, self.name)

    def prepare(self, picture: Picture) -> Loaded:
        """Decode a picture to the network's input."""
        try:
            with picture.open() as stream:
                return load(
                    stream, picture.content_type, side=SIDE, max_pixels=self._max_pixels
                )
        except OSError as exc:
            raise Unavailable(f"The picture can't be read: {exc}") from exc

    def infer(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the probability of each class for one prepared picture."""
        outputs: list[Any] = self._session.run(None, {"pixels": pixels[np.newaxis]})
        probabilities: npt.NDArray[np.float32] = outputs[0][0]
        return probabilities


def open_detector(model: Path, *, max_pixels: int) -> OnnxDetector:
    """Load the model and the label tables.

    Raises:
        NoModel: there is no model at that path, or it can't be loaded.

    """
    if not model.exists():
        raise NoModel(f"No model at {model}: run ./run once to build it.")
    options = onnxruntime.SessionOptions()
    # Pictures are labelled side by side, one thread each: less waiting than a shared pool.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
    except Exception as exc:
        raise NoModel(f"The model at {model} can't be loaded; remove it and run ./run: {exc}") from exc
    return OnnxDetector(session, load_taxonomy(), max_pixels=max_pixels)
