"""Detector that runs an ONNX classifier of ImageNet's 1000 classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from core.domain.errors import Unavailable
from core.domain.label import Detection, Embedding
from labeller.detectors.calibration import (
    PHOTO_TEMPERATURE,
    at_temperature,
    colour_entropy,
    temperature,
)
from labeller.detectors.doubt import OTHER_VIEWS, SHOWN, agreed, is_doubtful, is_undecided
from labeller.detectors.embedding import outline_of, quantised
from labeller.detectors.onnx_session import ModelUnusable, open_session
from labeller.detectors.people import PIXELS, People, person_of, with_people
from labeller.detectors.scenes import load_scenes
from labeller.detectors.taxonomy import VERSION, confidences_of, load_taxonomy, most_confident
from labeller.imaging.image import Frame, load

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from core.domain.label import Label
    from labeller.detectors.base import Picture
    from labeller.detectors.people import PeopleFinder
    from labeller.detectors.scenes import SceneClassifier
    from labeller.detectors.taxonomy import Taxonomy
    from labeller.imaging.image import LoadedImage


class Classification(NamedTuple):
    """What the network returns for a picture.

    `probabilities` is a softmax over ImageNet's classes. `features` are the numbers from which
    its last layer computes them: pictures that look alike have similar ones.
    """

    probabilities: NDArray[np.floating[Any]]
    features: NDArray[np.floating[Any]]


class OnnxDetector:
    """Classifies the middle of a picture, sums the probabilities up to labels, and finds people.

    A picture with a doubtful label is viewed up to two more times; then each label has its lowest
    confidence in any view. So is a photograph of which no label and no person is shown, if a label
    is likely; what all views agree on is shown then.

    The classifier of scenes adds labels from the network's features, and weakens classes that they
    contradict. The taxonomy's classes are those of the network, then the labels of scenes.

    The session takes uint8 of shape (N, side, side, 3), RGB, and returns the parts of a
    `Classification`. The detector's name consists of the graph's name and version, the version of
    the labels, and the name of `people`. Without `people`, they are found only through classes such
    as Bridegroom. A call runs on its caller's thread; use as many threads as there are cores.
    """

    def __init__(
        self,
        session: InferenceSession,
        taxonomy: Taxonomy,
        scenes: SceneClassifier,
        *,
        max_pixels: int,
        people: PeopleFinder | None = None,
    ) -> None:
        self._session = session
        self._people = people
        self._scenes = scenes
        self._taxonomy = taxonomy
        self._person = person_of(taxonomy)
        self._max_pixels = max_pixels
        ends = [*session.get_inputs(), *session.get_outputs()]
        match [(end.type, end.shape) for end in ends]:
            case [
                ("tensor(uint8)", [_, int(side), int(width), 3]),
                ("tensor(float)", [_, int(classes)]),
                ("tensor(float)", [_, int(features)]),
            ] if (side, classes, features) == (width, *self._shape()):
                self._side = side
            case found:
                raise ModelUnusable(f"The model has unexpected inputs and outputs: {found}.")
        self._input, *self._outputs = (end.name for end in ends)
        meta = session.get_modelmeta()
        self._network = f"{meta.graph_name}/{meta.version}"
        self._name = f"{self._network}.{VERSION}" + (f"+{people.name}" if people else "")

    @property
    def name(self) -> str:
        """The model and its version, which are stored with the labels."""
        return self._name

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return the labels of a picture, as `Detector.detect` specifies."""
        image = self.prepare(picture)
        found = self.infer(image.pixels)
        heat = temperature(colour_entropy(image.pixels))  # the same in each view
        people = self._people.find(image) if self._people else People()
        # A drawing resembles more things than it shows, in every view.
        may_agree = heat <= PHOTO_TEMPERATURE and not people.any_from(SHOWN)
        confidences = self._checked(
            self._confidences(found, heat), image, heat, may_agree=may_agree
        )
        labels = with_people(
            self._ranked(confidences, max_labels, min_confidence),
            people,
            self._person,
            max_labels=max_labels,
            min_confidence=min_confidence,
        )
        outline = outline_of(image.pixels)
        embedding = Embedding(self._network, quantised(found.features), outline)
        return Detection(labels, image.width, image.height, self._name, image.kind, embedding)

    def _checked(
        self, confidences: NDArray[np.float64], image: LoadedImage, heat: float, *, may_agree: bool
    ) -> NDArray[np.float64]:
        """Return the confidences of labels after as many other views as are needed.

        `may_agree` says whether a label is shown because all views agree on it.
        """
        for view in OTHER_VIEWS:
            shown = self._ranked(confidences, len(confidences), SHOWN)
            unclear = is_doubtful(shown) or (may_agree and is_undecided(confidences))
            if not unclear or image.whole is None:
                return confidences
            found = self.infer(view(image.whole, self._side))
            confidences = np.minimum(confidences, self._confidences(found, heat))
        return agreed(confidences) if may_agree and is_undecided(confidences) else confidences

    def _confidences(self, found: Classification, heat: float) -> NDArray[np.float64]:
        """Return the confidence of each label in a view of an image with that temperature."""
        outputs = self._scenes.outputs(found.features)
        return confidences_of(
            self._scenes.weakened(at_temperature(found.probabilities, heat), outputs),
            self._taxonomy,
            scenes=outputs[: self._scenes.label_count],
        )

    def _ranked(
        self, confidences: NDArray[np.float64], max_labels: int, min_confidence: float
    ) -> tuple[Label, ...]:
        return most_confident(
            confidences, self._taxonomy, max_labels=max_labels, min_confidence=min_confidence
        )

    def _shape(self) -> tuple[int, int]:
        """Return how many probabilities and features the network must return."""
        classes = self._taxonomy.class_count - self._scenes.label_count
        return classes, self._scenes.weights.shape[1]

    def prepare(self, picture: Picture) -> LoadedImage:
        """Decode a picture to the network's input. Raises the errors of `detect`."""
        with picture.open() as stream:
            return load(
                stream,
                frame=Frame(self._side, self._side),
                max_pixels=self._max_pixels,
                whole=PIXELS,
            )

    def infer(self, pixels: NDArray[np.uint8]) -> Classification:
        """Run the network on a view of a picture. Raises Unavailable."""
        try:
            found = self._session.run(self._outputs, {self._input: pixels[np.newaxis]})
        except Exception as exc:  # ONNX Runtime's errors have no other common base class
            raise Unavailable(f"The detector {self._name} failed: {exc}") from exc
        return Classification(*(output[0] for output in found))


def open_detector(
    model: Path, *, max_pixels: int, people: PeopleFinder | None = None
) -> OnnxDetector:
    """Load a model for pictures of at most `max_pixels`.

    Raises:
        ModelUnusable: a file is missing, or this detector can't run the model.

    """
    if not model.is_file():
        raise ModelUnusable(f"No model at {model}. Run ./run once to build it")
    session = open_session(model, "Delete it and run ./run, which builds it again")
    taxonomy = load_taxonomy()
    scenes = load_scenes(taxonomy)
    return OnnxDetector(session, taxonomy, scenes, max_pixels=max_pixels, people=people)
