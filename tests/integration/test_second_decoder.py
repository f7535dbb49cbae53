"""What an image shows is what ImageMagick shows of it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray

from core.domain.blob import ImageType
from labeller.imaging.image import Fit, Frame, load
from tests.support.images.corpus import Entry, every_entry
from tests.support.images.imagemagick import decode, require_imagemagick

Shown = list[tuple[Entry, NDArray[np.uint8]]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Every entry, and what it shows: by ImageMagick, or as it was drawn where that differs."""
    command = require_imagemagick()
    entries = every_entry()
    decoded = decode(command, entries, tmp_path_factory.mktemp("decoded"))
    return [
        (entry, shown if entry.shown is None else entry.shown)
        for entry, shown in zip(entries, decoded, strict=True)
    ]


@pytest.mark.parametrize("kind", ImageType)
def test_pixels_are_those_of_a_second_decoder(corpus: Shown, kind: ImageType) -> None:
    """In every depth, layout, orientation and profile, within the tolerance of each entry."""
    of_kind = [(entry, shown) for entry, shown in corpus if entry.kind is kind]
    assert len(of_kind) > 3
    wrong = {entry.what: off for entry, shown in of_kind if (off := difference(entry, shown))}
    assert not wrong


def difference(entry: Entry, shown: NDArray[np.uint8]) -> str | None:
    """Describe how our pixels differ by more than is allowed; None where they do not."""
    height, width, _ = shown.shape
    frame = Frame(width, height, Fit.STRETCH)
    ours = load(io.BytesIO(entry.content), frame=frame, max_pixels=width * height)
    if (ours.width, ours.height) != (width, height):
        return f"{ours.width} x {ours.height} instead of {width} x {height}"
    apart = np.abs(ours.pixels.astype(int) - shown)
    return f"{apart.max()} apart" if apart.max() > entry.tolerance else None
