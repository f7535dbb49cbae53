"""Whole people: the network's numbers become boxes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.domain.errors import Unavailable
from labeller.detectors.bodies import (
    MAX_TILES,
    BodyFinder,
    anchors,
    decoded,
    open_body_finder,
    scores_of,
    tiles,
)
from labeller.detectors.onnx_session import ModelUnusable
from tests.support.images.models import people_model
from tests.support.images.photos import photo


@pytest.fixture(scope="module")
def finder(model_path: Path) -> BodyFinder:
    return open_body_finder(people_model(model_path))


def astronaut() -> Image.Image:
    return Image.open(io.BytesIO(photo("astronaut.png"))).convert("RGB")


def test_anchors_have_the_trainings_pixels() -> None:
    """Positions row by row; of each layer sizes and ratios by hand."""
    found = anchors() * 225
    assert len(found) == 3 * 15**2 + 6 * (8**2 + 4**2 + 2**2)
    first = [
        [-5, -5, 30, 30],
        [-5, -5, 60 * 2**0.5, 60 / 2**0.5],
        [-5, -5, 60 / 2**0.5, 60 * 2**0.5],
    ]
    assert found[:3] == pytest.approx(np.array(first))
    assert found[3, :2] == pytest.approx([11, -5])
    second = found[3 * 15**2 :]
    assert second[:6, 2] == pytest.approx(
        [105, 105 * 2**0.5, 105 / 2**0.5, 105 * 3**0.5, 105 / 3**0.5, (105 * 150) ** 0.5]
    )
    assert second[:6, 2] * second[:6, 3] == pytest.approx([105**2] * 5 + [105 * 150])
    assert second[6, :2] == pytest.approx([27, -5])
    assert found[-1] == pytest.approx([203, 203, (195 * 240) ** 0.5, (195 * 240) ** 0.5])


def test_offsets_move_and_resize_an_anchor() -> None:
    """They come as y, x, height and width. A logit of 0 is a score of a half."""
    anchor = np.array([[0.5, 0.5, 0.2, 0.4], [0.1, 0.1, 0.2, 0.2]])
    offsets = np.array([[5, -10, 0, 5 * np.log(2)], [0, 0, 0, 0]])
    found = decoded(offsets, scores_of(np.array([[9, 0], [9, -1.0]])), anchor, 0.4)
    assert found.scores == pytest.approx([0.5])
    # The centre moves down by half of 0.4 and left by 0.2; the width doubles.
    assert found.edges == pytest.approx(np.array([[0.1, 0.5, 0.5, 0.9]]))


def test_enormous_offsets_stay_finite() -> None:
    found = decoded(np.full((1, 4), 1e6), np.ones(1), np.full((1, 4), 0.5), 0.1)
    assert np.isfinite(found.edges).all()
    assert found.scores.tolist() == [1]


@pytest.mark.parametrize(
    ("size", "areas"),
    [
        ((640, 480), [(0, 0, 1, 1)]),
        ((360, 640), [(0, 0, 1, 1)]),
        ((2000, 1000), [(0, 0, 0.75, 1), (0.25, 0, 1, 1)]),
        ((1000, 3000), [(0, 0, 1, 0.5), (0, 0.25, 1, 0.75), (0, 0.5, 1, 1)]),
    ],
)
def test_long_pictures_are_searched_in_tiles(
    size: tuple[int, int], areas: list[tuple[float, ...]]
) -> None:
    """They overlap, and cover all of it."""
    assert [pytest.approx(area) for area in areas] == tiles(*size)


def test_number_of_tiles_is_limited() -> None:
    """They still cover all of it."""
    strip = tiles(1, 50_000)
    assert len(strip) == MAX_TILES
    assert [area[1] for area in strip[1:]] == pytest.approx([area[3] for area in strip[:-1]])
    assert (strip[0][1], strip[-1][3]) == (0, pytest.approx(1))


@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("upright", [False, True])
def test_person_in_a_long_picture_is_found_once_at_its_place(
    finder: BodyFinder, place: float, upright: bool
) -> None:
    """At each end and in the middle of one four times as long as high, or as wide."""
    size = (512, 2048) if upright else (2048, 512)
    picture = Image.new("RGB", size, (120, 140, 160))
    start = round(place * (2048 - 512))
    picture.paste(astronaut(), (0, start) if upright else (start, 0))
    found = finder.find(picture, 0.4)
    assert len(found.scores) == 1
    low, high = (found.edges[0] * np.tile(size, 2)).reshape(2, 2)
    middle = (low + high) / 2 - ((0, start) if upright else (start, 0))
    assert middle == pytest.approx([190, 270], abs=60)


def test_other_model_is_refused(model_path: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="unexpected ends"):
        open_body_finder(model_path)
    for missing in (None, tmp_path / "none.onnx"):
        with pytest.raises(ModelUnusable, match=r"Run \./run once to build it"):
            open_body_finder(missing)


def test_runtime_error_raises_unavailable(finder: BodyFinder) -> None:
    """The picture is not at fault."""

    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(finder._session, name)

        def run(self, *_: object) -> Any:
            raise RuntimeError("out of handles")

    with pytest.raises(Unavailable, match="out of handles"):
        BodyFinder(Broken()).find(astronaut(), 0.4)  # type: ignore[arg-type]
