"""The detector that runs any ONNX classifier that a TOML file describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from core.domain.blob import Detection
from core.domain.errors import Unavailable
from labeller.detectors.classifier_file import CHANNELS, read_classifier, read_labels
from labeller.detectors.onnx import OnnxDetector, open_detector
from labeller.detectors.people import FACE_PIXELS, person_of, with_people_in
from labeller.detectors.runtime import ModelUnusable, open_session
from labeller.detectors.scores import labels_from
from labeller.imaging.image import load

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from labeller.detectors.base import Options, Picture
    from labeller.detectors.classifier_file import Classifier
    from labeller.detectors.faces import FaceFinder
    from labeller.detectors.scores import Taxonomy
    from labeller.imaging.image import LoadedImage

_TYPES: Final[dict[str, type[np.generic]]] = {
    "tensor(uint8)": np.uint8,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
}
_BLACK: Final = 0
_WHITE: Final = 255
# How far probabilities may be from adding up to 1, and from 0 to 1.
_ROUNDING: Final = 1e-3


class ClassifierDetector:
    """Classifies pictures as a file says that its model is to be used.

    What the file says is compared with the model, and the model is run, before any picture comes.
    Each call runs on its own thread.
    """

    def __init__(
        self,
        classifier: Classifier,
        session: InferenceSession,
        taxonomy: Taxonomy,
        *,
        max_pixels: int,
        faces: FaceFinder | None = None,
    ) -> None:
        self._classifier = classifier
        self._session = session
        self._taxonomy = taxonomy
        self._max_pixels = max_pixels
        self._faces = faces
        self._person = person_of(taxonomy)
        self._name = f"{classifier.name}/{classifier.version}" + (f"+{faces.name}" if faces else "")
        if len(session.get_inputs()) != 1 or len(session.get_outputs()) != 1:
            raise self._unusable("model", "must take one input and give one output; export it so")
        self._type = self._agreed_type()
        scale, mean, std = (
            np.array(each, np.float64)
            for each in (classifier.scale, classifier.mean, classifier.std)
        )
        self._factor = (scale / std).astype(np.float32)
        self._offset = (mean / std).astype(np.float32)
        self._try_out()

    @property
    def name(self) -> str:
        """The classifier and its version, as kept with the labels."""
        return self._name

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return what is seen in the picture, as the port promises."""
        with picture.open() as stream:
            image = load(
                stream,
                frame=self._classifier.frame,
                max_pixels=self._max_pixels,
                whole=FACE_PIXELS if self._faces else None,
            )
        labels = labels_from(
            self.infer(image),
            self._taxonomy,
            max_labels=max_labels,
            min_confidence=min_confidence,
            combine=np.maximum if self._classifier.activation == "sigmoid" else np.add,
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

    def infer(self, image: LoadedImage) -> NDArray[np.float64]:
        """Return the probability of each class. Raises Unavailable."""
        try:
            numbers = self._run(image.pixels)
        except Exception as exc:  # the runtime's errors have no other class in common
            raise Unavailable(f"The detector {self._name} failed: {exc}") from exc
        if not np.isfinite(numbers).all():
            raise Unavailable(f"The detector {self._name} gave numbers that are not finite.")
        return activated(numbers, self._classifier.activation, self._classifier.temperature)

    def tensor(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return what the model is given for pixels of shape (height, width, 3), RGB."""
        if self._classifier.channels == "BGR":
            pixels = pixels[:, :, ::-1]
        numbers = pixels if self._type is np.uint8 else pixels * self._factor - self._offset
        if self._classifier.layout == "NCHW":
            numbers = numbers.transpose(2, 0, 1)
        return np.ascontiguousarray(numbers[np.newaxis], self._type)

    def _run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        (given,), (told,) = self._session.get_inputs(), self._session.get_outputs()
        (numbers,) = self._session.run([told.name], {given.name: self.tensor(pixels)})
        return np.asarray(numbers, np.float64).reshape(-1)

    def _agreed_type(self) -> type[np.generic]:
        """Compare what the file says of the input with the model's; return its numbers' type."""
        classifier, (given,) = self._classifier, self._session.get_inputs()
        if given.type not in _TYPES:
            raise self._unusable(
                "model", f"takes {given.type}; export it to take {', '.join(_TYPES)}"
            )
        height, width = classifier.frame.height, classifier.frame.width
        wanted = {
            "NCHW": [1, CHANNELS, height, width],
            "NHWC": [1, height, width, CHANNELS],
        }
        # A dimension that is free has a name, or none.
        shape = [side if isinstance(side, int) else None for side in given.shape]
        fitting = [layout for layout, sides in wanted.items() if _fits(shape, sides)]
        if classifier.layout not in fitting:
            takes = f"but the model takes {given.shape}"
            if fitting:
                raise self._unusable(
                    "input.layout", f'is "{classifier.layout}", {takes}; set it to "{fitting[0]}"'
                )
            raise self._unusable(
                "input.size",
                f"and input.layout make {wanted[classifier.layout]}, {takes}; set both as the "
                f"model has them, with {CHANNELS} channels and pictures one at a time",
            )
        if given.type == "tensor(uint8)" and (
            classifier.scale != 1 or any(classifier.mean) or {*classifier.std} != {1}
        ):
            raise self._unusable(
                "input.scale", "and mean and std have no use: the model takes uint8; leave them out"
            )
        return _TYPES[given.type]

    def _try_out(self) -> None:
        """Run the model on a black picture and a white one, and look at what it gives."""
        classifier, frame = self._classifier, self._classifier.frame
        told = []
        for shade in (_BLACK, _WHITE):
            pixels = np.full((frame.height, frame.width, CHANNELS), shade, np.uint8)
            try:
                told.append(self._run(pixels))
            except Exception as exc:  # as in infer
                raise self._unusable(
                    "model", f"fails on a picture: {exc}; look at input.size and input.layout"
                ) from exc
        numbers = np.stack(told)
        classes = self._taxonomy.class_count
        if numbers.shape[1] != classes:
            raise self._unusable(
                "labels",
                f"has {classes} lines, but the model gives {numbers.shape[1]} numbers; "
                "write a line for each class, in the model's order",
            )
        if not np.isfinite(numbers).all():
            raise self._unusable(
                "model", "gives numbers that are not finite; look at input.scale, mean and std"
            )
        shares = numbers.min() >= -_ROUNDING and numbers.max() <= 1 + _ROUNDING
        if classifier.activation == "none" and not shares:
            raise self._unusable(
                "output.activation",
                f'is "none", but the model gives numbers from {numbers.min():.3g} to '
                f'{numbers.max():.3g}; set it to "softmax", or to "sigmoid" for several classes '
                "at once",
            )
        sums = numbers.sum(axis=1)
        if classifier.activation == "softmax" and shares and np.abs(sums - 1).max() < _ROUNDING:
            raise self._unusable(
                "output.activation",
                'is "softmax", but the model gives probabilities already; set it to "none"',
            )

    def _unusable(self, key: str, reason: str) -> ModelUnusable:
        return ModelUnusable(f"{self._classifier.file}: {key} {reason}.")


def activated(
    numbers: NDArray[np.float64], activation: str, temperature: float
) -> NDArray[np.float64]:
    """Return the probabilities that a model's numbers stand for."""
    if activation == "none":
        return numbers
    logits = numbers / temperature
    if activation == "sigmoid":
        shares: NDArray[np.float64] = (1 + np.tanh(logits / 2)) / 2  # without overflow
        return shares
    powers = np.exp(logits - logits.max())
    softmax: NDArray[np.float64] = powers / powers.sum()
    return softmax


def make(options: Options) -> ClassifierDetector | OnnxDetector:
    """Make the detector that `onnx` stands for. Raises ModelUnusable."""
    if options.classifier:
        return open_classifier(
            options.classifier, max_pixels=options.max_pixels, faces=options.faces
        )
    if options.model is None:
        raise ModelUnusable("No model is at hand for the detector onnx: give it a --classifier.")
    return open_detector(options.model, max_pixels=options.max_pixels, faces=options.faces)


def open_classifier(file: Path, *, max_pixels: int, faces: bool = False) -> ClassifierDetector:
    """Load the classifier that a file describes; with `faces` also what finds them.

    Raises:
        ModelUnusable: it can't be used as the file says.

    """
    classifier = read_classifier(file)
    taxonomy = read_labels(classifier.labels)
    session = open_session(classifier.model, f"Give {file} another model, or export it anew.")
    finder = None
    if faces:
        from labeller.detectors.faces import open_face_finder  # noqa: PLC0415  # as in onnx

        finder = open_face_finder()
    return ClassifierDetector(classifier, session, taxonomy, max_pixels=max_pixels, faces=finder)


def _fits(shape: list[int | None], wanted: list[int]) -> bool:
    return len(shape) == len(wanted) and all(
        side in (None, want) for side, want in zip(shape, wanted, strict=True)
    )
