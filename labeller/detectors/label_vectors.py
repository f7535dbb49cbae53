"""A file of labels with a vector for each, made by a text encoder for a zero-shot classifier.

It is an .npz of numpy: `labels` are the lines of a labels file, and `vectors` their unit vectors,
float32 of shape (labels, length).
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from labeller.detectors.classifier_file import Classes, parse_classes
from labeller.detectors.onnx_session import ModelUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray


class LabelVectors(NamedTuple):
    """The classes of a zero-shot classifier, and the unit vector of each as a row."""

    classes: Classes
    vectors: NDArray[np.float32]


def write_label_vectors(file: Path, lines: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Write the lines of a labels file and their vectors. Raises OSError."""
    content = io.BytesIO()
    np.savez(content, labels=np.array(lines), vectors=vectors.astype(np.float32))
    file.write_bytes(content.getvalue())


def read_label_vectors(file: Path) -> LabelVectors:
    """Read labels and their vectors. Raises ModelUnusable."""
    try:
        arrays = np.load(io.BytesIO(file.read_bytes()), allow_pickle=False)
        lines, vectors = arrays["labels"], arrays["vectors"]
    except (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile) as exc:
        raise ModelUnusable(
            f"The labels {file} can't be read: {exc}. Make them with 'labelling embed-labels'."
        ) from exc
    if lines.ndim != 1 or vectors.shape[:1] != lines.shape or not np.isfinite(vectors).all():
        raise ModelUnusable(f"{file} is damaged. Make it again with 'labelling embed-labels'.")
    return LabelVectors(parse_classes(file, lines.tolist()), vectors)
