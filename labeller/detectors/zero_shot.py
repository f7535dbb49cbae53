"""Zero-shot classifiers: CLIP, SigLIP and others, whose classes are texts.

An image encoder makes a vector of a picture. Its cosine with the vector of a text says how well the
text describes the picture (Radford et al., 2021; Zhai et al., 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from labeller.detectors.classifier import ClassifierDetector
from labeller.detectors.classifier_file import Classifier
from labeller.detectors.label_vectors import read_label_vectors
from labeller.detectors.network_input import read_input
from labeller.detectors.onnx_session import ModelUnusable, open_session
from labeller.detectors.taxonomy import Taxonomy
from labeller.detectors.text_network import read_text_network

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from labeller.detectors.people import PeopleFinder
    from labeller.detectors.toml_table import Table

TYPE: Final = "zero-shot"
_SCALE: Final = 100.0  # CLIP's


@dataclass(frozen=True, slots=True, eq=False)
class TextHead:
    """Turns the vector in a model's output into a logit for each text.

    A logit is `scale` times the cosine with the text's vector, plus `bias`. `vectors` are unit
    vectors, a row for each text.
    """

    output: str
    vectors: NDArray[np.float32]
    scale: float
    bias: float

    def logits(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logits. Raises ValueError for a vector of another length."""
        if vector.shape != self.vectors.shape[1:]:
            raise ValueError(
                f"the model returns {vector.size} numbers, but the labels' vectors have "
                f"{self.vectors.shape[1]}"
            )
        size = np.linalg.norm(vector) or 1.0  # a vector of zeros is like no text
        cosines = self.vectors.astype(np.float64) @ (vector / size)
        logits: NDArray[np.float64] = cosines * self.scale + self.bias
        return logits


def open_zero_shot(
    file: Path, top: Table, *, max_pixels: int, people: PeopleFinder | None = None
) -> ClassifierDetector:
    """Load the zero-shot classifier that a file describes. Raises ModelUnusable."""
    top.choice("type", [TYPE])
    given, output = top.table("input"), top.table("output")
    classifier = Classifier(
        file=file,
        name=top.name("name"),
        version=top.name("version"),
        model=top.path("model"),
        labels=top.path("labels"),
        input=read_input(given),
        activation=output.choice("activation", ["softmax", "sigmoid"]),
        temperature=1.0,
    )
    vector = output.text("vector", "image_embeds")
    scale, bias = output.number("scale", _SCALE), output.any_number("bias", 0)
    read_text_network(file, top)  # searches use it, labelling does not
    for table in (top, given, output):
        table.refuse_unknown_keys()
    top.require_files("model", "labels")
    classes, vectors = read_label_vectors(classifier.labels)
    session = open_session(classifier.model, f"Set another model in {file}, or export it again.")
    names = [each.name for each in session.get_outputs()]
    if vector not in names:
        raise ModelUnusable(
            f'{file}: output.vector is "{vector}", but the model returns {", ".join(names)}.'
        )
    return ClassifierDetector(
        classifier,
        session,
        Taxonomy.build(*classes),
        max_pixels=max_pixels,
        people=people,
        head=TextHead(vector, vectors, scale, bias),
    )
