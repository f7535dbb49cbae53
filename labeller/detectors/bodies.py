"""Detection of whole people with SSDLite, whose ONNX model `ssdlite.py` builds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from core.domain.errors import Unavailable
from labeller.detectors.boxes import Boxes, joined
from labeller.detectors.onnx_session import ModelUnusable, open_session
from labeller.detectors.ssdlite import FIRST_STRIDE, grid_sides

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from onnxruntime import InferenceSession

    from labeller.detectors.boxes import Floats

    Edges = tuple[float, float, float, float]

NAME: Final = "ssdlite"
# Pixels a side that the network sees. It was trained with 300. With 225 it finds as many of the
# people that a picture is about, in 0.6 of the time. With 161 it is less sure, and quick: only
# where that gives a score of `GLANCE_SCORE` the larger size is tried. Other sizes have more false
# alarms (docs/decisions/0054).
SIDE: Final = 225
GLANCE_SIDE: Final = 161
GLANCE_SCORE: Final = 0.1
# For the smaller size the picture is first halved in a cheaper way, if it is large enough (Pillow's
# `reducing_gap`). The score changes by 0.004 on average, and people in none of 278 photographs.
GLANCE_GAP: Final = 1.5

# The anchors of each layer: sizes and places in pixels, and ratios of width to height. A network of
# convolutions sees pixels, so they are those of the training, whatever the picture's side.
SIZES: Final = (60.0, 105.0, 150.0, 195.0, 240.0)
_SQUARE, _WIDE, _TALL = 1.0, 2.0, 1 / 2
FIRST_KINDS: Final = ((30.0, _SQUARE), (SIZES[0], _WIDE), (SIZES[0], _TALL))
RATIOS: Final = (_SQUARE, _WIDE, _TALL, 3.0, 1 / 3)
# The centre of each layer's first position, as far from what it sees as on average in the training.
FIRST_CENTRES: Final = (-5.0, -5.0, 11.0, 75.0)
# The network's numbers are these times as large as what they stand for.
CENTRE_FACTOR: Final = 10.0
SIZE_FACTOR: Final = 5.0
MAX_GROWTH: Final = 4.0  # exponent of a box's size to its anchor's, so that none overflows

OVERLAP: Final = 0.5  # a box that overlaps a better one by more is dropped: intersection of union
# Of two scores' boxes at the seam of two tiles the smaller may lie within the larger.
SEAM_OVERLAP: Final = 0.5

# A picture that is longer than this times its other side is searched in tiles of `TILE_RATIO`,
# because a network that sees all of it would see people too narrow, or too flat.
MAX_RATIO: Final = 1.8
TILE_RATIO: Final = 1.5
MAX_TILES: Final = 6
_WHOLE: Final = (0.0, 0.0, 1.0, 1.0)


class BodyFinder:
    """Finds people in pictures by their bodies. Safe to call from several threads at once."""

    name: Final = NAME

    def __init__(self, session: InferenceSession) -> None:
        self._session = session
        ends = [*session.get_inputs(), *session.get_outputs()]
        match [(end.type, end.shape[-1]) for end in ends]:
            case [("tensor(uint8)", 3), ("tensor(float)", 4), ("tensor(float)", 2)]:
                self._input, self._boxes, self._logits = (end.name for end in ends)
            case found:
                raise ModelUnusable(f"The people's model has unexpected ends: {found}.")
        self._anchors = anchors()

    def find(self, picture: Image.Image, least: float) -> Boxes:
        """Return the people of at least that score (0 to 1), most confident first.

        The edges are shares of the picture's width and height. Raises Unavailable.
        """
        areas = tiles(*picture.size)
        found = joined(self._find_in(picture, area, least) for area in areas).with_score(least)
        found = found.without_overlaps(OVERLAP)
        return found.without_overlaps(SEAM_OVERLAP, of_smaller=True) if len(areas) > 1 else found

    def _find_in(self, picture: Image.Image, area: Edges, least: float) -> Boxes:
        if area == _WHOLE and not self._is_promising(picture):
            return joined([])
        offsets, logits = self._run(picture, area, SIDE, self._boxes, self._logits)
        found = decoded(offsets, scores_of(logits), self._anchors, least)
        corner = np.array(area[:2] * 2)
        size = np.array([area[2] - area[0], area[3] - area[1]] * 2)
        return Boxes(np.clip(found.edges, 0, 1) * size + corner, found.scores)

    def _is_promising(self, picture: Image.Image) -> bool:
        """Look at the smaller size. Not for tiles: their edges hide half of a person."""
        (logits,) = self._run(picture, _WHOLE, GLANCE_SIDE, self._logits, gap=GLANCE_GAP)
        return bool(scores_of(logits).max() >= GLANCE_SCORE)

    def _run(
        self, picture: Image.Image, area: Edges, side: int, *outputs: str, gap: float | None = None
    ) -> list[NDArray[np.float32]]:
        """Run the network on an area of a picture, out of shape as in its training."""
        box = tuple(np.multiply(area, picture.size * 2))
        small = picture.resize((side, side), Image.Resampling.BICUBIC, box, gap)
        pixels = np.asarray(small)
        try:
            found = self._session.run(outputs, {self._input: pixels[np.newaxis]})
        except Exception as exc:  # ONNX Runtime's errors have no other common base class
            raise Unavailable(f"The detection of people failed: {exc}") from exc
        return [output[0] for output in found]


def scores_of(logits: Floats) -> NDArray[np.float64]:
    """Return the scores (0 to 1) for rows of the logits of nobody and of a person."""
    scores: NDArray[np.float64] = 1 / (1 + np.exp(-logits[:, 1].astype(np.float64)))
    return scores


def anchors() -> NDArray[np.float64]:
    """Return the boxes that the network starts from, as rows of x, y, width and height.

    They are shares of the picture, x and y those of the centre: layer by layer, row by row, the
    kinds of a position one after the other.
    """
    rows = []
    for layer, cells in enumerate(grid_sides(SIDE)):
        size, following = SIZES[layer : layer + 2]
        between = (math.sqrt(size * following), _SQUARE)
        kinds = [*((size, ratio) for ratio in RATIOS), between] if layer else FIRST_KINDS
        sizes = [(size * math.sqrt(ratio), size / math.sqrt(ratio)) for size, ratio in kinds]
        centres = FIRST_CENTRES[layer] + (FIRST_STRIDE << layer) * np.arange(cells)
        rows += [(x, y, *each) for y in centres for x in centres for each in sizes]
    return np.array(rows) / SIDE


def decoded(
    offsets: Floats,
    scores: NDArray[np.float64],
    anchors: NDArray[np.float64],
    least: float,
) -> Boxes:
    """Return the boxes of at least that score, in the order of the anchors.

    `offsets` are rows of y, x, height and width relative to the anchors.
    """
    kept = np.flatnonzero(scores >= least)
    offset, anchor = offsets[kept].astype(np.float64)[:, [1, 0, 3, 2]], anchors[kept]
    centre = anchor[:, :2] + offset[:, :2] / CENTRE_FACTOR * anchor[:, 2:]
    half = np.exp(np.minimum(offset[:, 2:] / SIZE_FACTOR, MAX_GROWTH)) * anchor[:, 2:] / 2
    return Boxes(np.hstack([centre - half, centre + half]), scores[kept])


def tiles(width: int, height: int) -> Sequence[Edges]:
    """Return the areas of a picture to search: all of it, or tiles that overlap."""
    ratio = max(width, height) / min(width, height)
    if ratio <= MAX_RATIO:
        return [_WHOLE]
    count = min(math.ceil(ratio - TILE_RATIO) + 1, MAX_TILES)
    share = max(TILE_RATIO / ratio, 1 / count)
    starts = [index * (1 - share) / (count - 1) for index in range(count)]
    if width > height:
        return [(start, 0.0, start + share, 1.0) for start in starts]
    return [(0.0, start, 1.0, start + share) for start in starts]


def open_body_finder(model: Path | None) -> BodyFinder:
    """Load the model of people. Raises ModelUnusable."""
    if model is None or not model.is_file():
        raise ModelUnusable(f"No model of people at {model}. Run ./run once to build it")
    return BodyFinder(open_session(model, "Delete it and run ./run, which builds it again"))
