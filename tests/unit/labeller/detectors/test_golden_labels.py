"""The labels of the photographs in scikit-image, scikit-learn and matplotlib.

A person viewed them, and golden_labels.tsv holds what each shows. This is a regression test, not
a measurement of accuracy.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from core.domain.blob import ImageType
from core.domain.label import Label
from labeller.detectors.base import Picture
from labeller.detectors.onnx import OnnxDetector
from tests.support.images.models import open_with_people
from tests.support.images.pictures import encode

pytestmark = pytest.mark.slow

MIN_CONFIDENCE = 55  # the default of CreateUploadInput.minConfidence

EQUAL = 0.5  # points that two labels differ by when a rounded sample may exchange them


class Golden(NamedTuple):
    """A photograph and its expected labels."""

    file: str
    shows: str
    first: str
    also: frozenset[str]
    never: frozenset[str]


def names(joined: str) -> frozenset[str]:
    return frozenset(filter(None, joined.split(";")))


def rows() -> Iterator[Golden]:
    table = Path(__file__).with_name("golden_labels.tsv").read_text("utf-8")
    for row in table.splitlines():
        if not row.startswith("#"):
            file, shows, first, also, never = row.split("\t")
            yield Golden(file, shows, first, names(also), names(never))


GOLDEN = tuple(rows())
OF_SOMETHING = [golden for golden in GOLDEN if golden.first != "-"]
OF_NOTHING_KNOWN = [golden for golden in GOLDEN if golden.first == "-"]


def name_of(golden: Golden) -> str:
    return golden.file.rpartition("/")[2]


def content_of(golden: Golden) -> bytes:
    package, _, file = golden.file.partition("/")
    return Path(str(resources.files(package) / file)).read_bytes()


def opened(golden: Golden) -> Image.Image:
    return Image.open(io.BytesIO(content_of(golden))).convert("RGB")


@pytest.fixture(scope="module")
def detector(model_path: Path) -> OnnxDetector:
    return open_with_people(model_path)


def labels(
    detector: OnnxDetector,
    content: bytes,
    kind: ImageType,
    *,
    min_confidence: float = MIN_CONFIDENCE,
) -> tuple[Label, ...]:
    picture = Picture("any", kind, lambda: io.BytesIO(content))
    return detector.detect(picture, max_labels=50, min_confidence=min_confidence).labels


def first(
    detector: OnnxDetector,
    image: Image.Image,
    kind: ImageType,
    *,
    min_confidence: float = 0,
    **options: object,
) -> str:
    """Encode a picture and return its first label, or "-" without one."""
    found = labels(detector, encode(image, kind, **options), kind, min_confidence=min_confidence)
    return found[0].name if found else "-"


@pytest.mark.parametrize("golden", GOLDEN, ids=name_of)
def test_photograph_gets_its_golden_labels(detector: OnnxDetector, golden: Golden) -> None:
    """The first label, other required ones, and none of the forbidden ones."""
    kind = ImageType.PNG if golden.file.endswith(".png") else ImageType.JPEG
    content = content_of(golden)
    unsure = labels(detector, content, kind, min_confidence=30)
    found = [label.name for label in unsure if label.confidence >= MIN_CONFIDENCE]
    assert (found[0] if found else "-") == golden.first, found
    assert golden.also <= set(found)
    assert not golden.never & {label.name for label in unsure}


@pytest.mark.parametrize(
    "kind", [ImageType.JPEG, ImageType.PNG, ImageType.WEBP, ImageType.GIF, ImageType.HEIC]
)
@pytest.mark.parametrize("golden", OF_SOMETHING, ids=name_of)
def test_first_label_is_the_same_in_every_format(
    detector: OnnxDetector, golden: Golden, kind: ImageType
) -> None:
    """GIF with 256 colours too."""
    assert first(detector, opened(golden), kind) == golden.first


@pytest.mark.parametrize(
    ("kind", "quality"), [(ImageType.JPEG, 40), (ImageType.JPEG, 75), (ImageType.WEBP, 50)]
)
@pytest.mark.parametrize("golden", OF_SOMETHING, ids=name_of)
def test_first_label_survives_re_encoding(
    detector: OnnxDetector, golden: Golden, kind: ImageType, quality: int
) -> None:
    """As phones and chat programs do it. Of labels that are as good as equal, any may be first."""
    options = {"lossless": False} if kind is ImageType.WEBP else {"subsampling": "4:2:0"}
    content = encode(opened(golden), kind, quality=quality, **options)
    best, *others = labels(detector, content, kind, min_confidence=0)
    equal = {each.name for each in others if each.confidence > best.confidence - EQUAL}
    assert golden.first in {best.name, *equal}


@pytest.mark.parametrize("scale", [0.5, 3])
@pytest.mark.parametrize("golden", OF_SOMETHING, ids=name_of)
def test_first_label_is_the_same_in_other_sizes(
    detector: OnnxDetector, golden: Golden, scale: float
) -> None:
    """From half to three times."""
    image = opened(golden)
    width, height = (round(side * scale) for side in image.size)
    assert first(detector, image.resize((width, height)), ImageType.JPEG) == golden.first


# What a rotated camera does to the pixels, which its Orientation tag reverses.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("golden", OF_SOMETHING, ids=name_of)
def test_first_label_is_the_same_for_every_exif_orientation(
    detector: OnnxDetector, golden: Golden, orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = opened(golden).transpose(TURNS[orientation])
    assert first(detector, image, ImageType.JPEG, exif=exif) == golden.first


@pytest.mark.parametrize(
    ("kind", "options"),
    [(ImageType.JPEG, {"quality": 75}), (ImageType.WEBP, {}), (ImageType.GIF, {})],
)
@pytest.mark.parametrize("golden", OF_NOTHING_KNOWN, ids=name_of)
def test_drawings_and_textures_get_low_confidence(
    detector: OnnxDetector, golden: Golden, kind: ImageType, options: dict[str, int]
) -> None:
    """In every encoding."""
    assert first(detector, opened(golden), kind, min_confidence=MIN_CONFIDENCE, **options) == "-"
