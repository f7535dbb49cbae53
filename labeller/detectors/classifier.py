"""Detector that runs any ONNX classifier described by a TOML file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from core.domain.errors import Unavailable
from core.domain.label import Detection, Embedding
from labeller.detectors.classifier_file import read_classifier, read_labels
from labeller.detectors.embedding import quantised
from labeller.detectors.network_input import BLACK, WHITE, InputTensor
from labeller.detectors.onnx_session import ModelUnusable, open_session
from labeller.detectors.people import PIXELS, person_of
from labeller.detectors.taxonomy import labels_from
from labeller.imaging.image import load

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from labeller.detectors.base import Picture
    from labeller.detectors.classifier_file import Classifier
    from labeller.detectors.people import PeopleFinder
    from labeller.detectors.taxonomy import Taxonomy
    from labeller.detectors.toml_table import Table
    from labeller.imaging.image import LoadedImage

# The allowed rounding error of a probability, and of the sum of all.
_ROUNDING: Final = 1e-3


class Head(Protocol):
    """Computes the logits of a classifier from the output of that name."""

    @property
    def output(self) -> str:
        """The name of the output."""

    def logits(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logit of each class. Raises ValueError for a vector of another length."""
        ...


class ClassifierDetector:
    """Classifies pictures as a classifier's file describes.

    Its creation compares the file with the model and runs the model on two test pictures. A call
    runs on its caller's thread. A `head` computes the logits from one output, a vector, which is
    then the features of the picture's embedding. That has no outline.
    """

    def __init__(
        self,
        classifier: Classifier,
        session: InferenceSession,
        taxonomy: Taxonomy,
        *,
        max_pixels: int,
        people: PeopleFinder | None = None,
        head: Head | None = None,
    ) -> None:
        self._classifier = classifier
        self._head = head
        self._session = session
        self._taxonomy = taxonomy
        self._max_pixels = max_pixels
        self._people = people
        self._person = person_of(taxonomy)
        self._network = f"{classifier.name}/{classifier.version}"
        self._name = self._network + (f"+{people.name}" if people else "")
        outputs = 1 if head else len(session.get_outputs())
        if len(session.get_inputs()) != 1 or outputs != 1:
            raise self._unusable("model", "must have one input and one output; export it so")
        self._input = InputTensor(classifier.file, classifier.input, session)
        self._check_output()

    @property
    def name(self) -> str:
        """The classifier and its version, which are stored with the labels."""
        return self._name

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return the labels of a picture, as `Detector.detect` specifies."""
        with picture.open() as stream:
            image = load(
                stream,
                frame=self._classifier.input.frame,
                max_pixels=self._max_pixels,
                whole=PIXELS if self._people else None,
            )
        output = self._output(image)
        labels = labels_from(
            activate(
                self._logits(output), self._classifier.activation, self._classifier.temperature
            ),
            self._taxonomy,
            max_labels=max_labels,
            min_confidence=min_confidence,
            combine=np.maximum if self._classifier.activation == "sigmoid" else np.add,
        )
        if self._people:
            labels = self._people.add_to(
                labels, image, self._person, max_labels=max_labels, min_confidence=min_confidence
            )
        embedding = Embedding(self._network, quantised(output), b"") if self._head else None
        return Detection(labels, image.width, image.height, self._name, image.kind, embedding)

    def _output(self, image: LoadedImage) -> NDArray[np.float64]:
        """Return the model's output for an image. Raises Unavailable."""
        try:
            numbers = self._run(image.pixels)
        except Exception as exc:  # ONNX Runtime's errors have no other common base class
            raise Unavailable(f"The detector {self._name} failed: {exc}") from exc
        if not np.isfinite(numbers).all():
            raise Unavailable(f"The detector {self._name} returned numbers that are not finite.")
        return numbers

    def _run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        wanted = [self._head.output] if self._head else None
        (found,) = self._session.run(wanted, {self._input.name: self._input.of(pixels)})
        return np.asarray(found, np.float64).reshape(-1)

    def _logits(self, output: NDArray[np.float64]) -> NDArray[np.float64]:
        return self._head.logits(output) if self._head else output

    def _check_output(self) -> None:
        """Run the model on a black and a white picture, and compare its output with the file."""
        classifier = self._classifier
        outputs = []
        for shade in (BLACK, WHITE):
            try:
                outputs.append(self._logits(self._run(self._input.blank(shade))))
            except Exception as exc:  # as in infer
                raise self._unusable(
                    "model", f"fails on a picture: {exc}; check input.size and input.layout"
                ) from exc
        numbers = np.stack(outputs)
        classes = self._taxonomy.class_count
        if numbers.shape[1] != classes:
            raise self._unusable(
                "labels",
                f"has {classes} lines, but the model returns {numbers.shape[1]} numbers; "
                "write one line per class, in the model's order",
            )
        if not np.isfinite(numbers).all():
            raise self._unusable(
                "model", "returns numbers that are not finite; check input.scale, mean and std"
            )
        shares = numbers.min() >= -_ROUNDING and numbers.max() <= 1 + _ROUNDING
        if classifier.activation == "none" and not shares:
            raise self._unusable(
                "output.activation",
                f'is "none", but the model returns numbers from {numbers.min():.3g} to '
                f'{numbers.max():.3g}; set it to "softmax", or to "sigmoid" if several classes '
                "can be right",
            )
        sums = numbers.sum(axis=1)
        if classifier.activation == "softmax" and shares and np.abs(sums - 1).max() < _ROUNDING:
            raise self._unusable(
                "output.activation",
                'is "softmax", but the model already returns probabilities; set it to "none"',
            )

    def _unusable(self, key: str, reason: str) -> ModelUnusable:
        return ModelUnusable(f"{self._classifier.file}: {key} {reason}.")


def activate(
    numbers: NDArray[np.float64], activation: str, temperature: float
) -> NDArray[np.float64]:
    """Return the probabilities for a model's output."""
    if activation == "none":
        return numbers
    logits = numbers / temperature
    if activation == "sigmoid":
        sigmoid: NDArray[np.float64] = (1 + np.tanh(logits / 2)) / 2  # avoids overflow
        return sigmoid
    powers = np.exp(logits - logits.max())
    softmax: NDArray[np.float64] = powers / powers.sum()
    return softmax


def open_classifier(
    file: Path, top: Table | None = None, *, max_pixels: int, people: PeopleFinder | None = None
) -> ClassifierDetector:
    """Load the classifier that a file describes.

    Raises:
        ModelUnusable: the model doesn't fit the file.

    """
    classifier = read_classifier(file, top)
    taxonomy = read_labels(classifier.labels)
    session = open_session(classifier.model, f"Set another model in {file}, or export it again.")
    return ClassifierDetector(classifier, session, taxonomy, max_pixels=max_pixels, people=people)
