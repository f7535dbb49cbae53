"""Damage that decoders overlook is found; even areas and metadata are not taken for it."""

from __future__ import annotations

import io
import random
import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused
from labeller.imaging.image import Frame, LoadedImage, load
from tests.support.images.photos import photo
from tests.support.images.pictures import encode
from tests.support.images.tiffs import DEFLATE, tiff

ZEROS_SHOW = [  # formats, and how to write them, whose samples are compressed
    (ImageType.JPEG, {}),
    (ImageType.JPEG, {"optimize": True}),
    (ImageType.JPEG, {"progressive": True}),
    (ImageType.JPEG, {"restart_marker_rows": 1}),
    (ImageType.JPEG, {"quality": 40, "subsampling": "4:2:0"}),
    (ImageType.PNG, {}),
    (ImageType.GIF, {}),
    (ImageType.WEBP, {}),
    (ImageType.WEBP, {"lossless": False}),
    (ImageType.TIFF, {"compression": "tiff_lzw"}),
    (ImageType.TIFF, {"compression": "tiff_adobe_deflate"}),
    (ImageType.TIFF, {"compression": "jpeg"}),
    (ImageType.AVIF, {}),
    (ImageType.HEIC, {}),
]
NAMES = [f"{kind.name} {' '.join(map(str, how))}".strip() for kind, how in ZEROS_SHOW]


def seen(content: bytes) -> LoadedImage:
    return load(io.BytesIO(content), frame=Frame(64, 64), max_pixels=100_000_000)


def refusal(content: bytes) -> PictureRefused | None:
    try:
        seen(content)
    except PictureRefused as refused:
        return refused
    return None


def coffee(size: tuple[int, int] = (300, 200)) -> Image.Image:
    return Image.open(io.BytesIO(photo("coffee.png"))).convert("RGB").resize(size)


def require_damaged(content: bytes) -> None:
    with pytest.raises(PictureRefused) as refused:
        seen(content)
    assert refused.value.code in (FailureCode.CORRUPT_IMAGE, FailureCode.UNSUPPORTED_FORMAT)


@pytest.mark.parametrize(("kind", "how"), ZEROS_SHOW, ids=NAMES)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_a_tail_of_zeros_is_damage(kind: ImageType, how: dict[str, Any], share: float) -> None:
    """A download or a disk that stopped: the size is right, the content is not."""
    content = encode(coffee(), kind, **how)
    assert seen(content).width == 300
    kept = round((1 - share) * len(content))
    require_damaged(content[:kept] + bytes(len(content) - kept))


@pytest.mark.parametrize(("kind", "how"), ZEROS_SHOW, ids=NAMES)
def test_a_block_of_zeros_is_damage(kind: ImageType, how: dict[str, Any]) -> None:
    """Wherever among the samples it lies."""
    content = encode(coffee(), kind, **how)
    chance = random.Random(5)  # noqa: S311
    for _ in range(10):
        length = len(content) * chance.randint(26, 60) // 100
        begin = chance.randrange(len(content) // 4, len(content) - length - 16)
        require_damaged(content[:begin] + bytes(length) + content[begin + length :])


def test_a_lost_block_of_a_large_file_is_damage() -> None:
    """A few clusters of a disk are a small share of a photograph."""
    for kind in (ImageType.JPEG, ImageType.WEBP):
        content = encode(coffee((2400, 1600)), kind, lossless=False, quality=95)
        assert len(content) > 200_000
        begin = len(content) // 2
        require_damaged(content[:begin] + bytes(20_000) + content[begin + 20_000 :])


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("how", [{}, {"optimize": True}, {"progressive": True}])
@pytest.mark.parametrize("colour", ["white", "black", "grey"])
def test_an_even_jpeg_is_whole(mode: str, how: dict[str, Any], colour: str) -> None:
    """Its code for an even block may be nothing but zeros."""
    content = encode(Image.new("RGB", (4000, 3000), colour).convert(mode), ImageType.JPEG, **how)
    assert np.ptp(seen(content).pixels) == 0


def test_a_page_with_a_line_is_whole() -> None:
    """As scans are: much white, a little black, in the smallest code."""
    page = Image.new("L", (2480, 3508), 255)
    page.paste(0, (200, 1700, 2280, 1710))
    for how in ({"optimize": True}, {"progressive": True}):
        assert seen(encode(page, ImageType.JPEG, **how)).width == 2480


@pytest.mark.parametrize("kind", [k for k in ImageType if k is not ImageType.GIF])
@pytest.mark.parametrize("colour", ["white", "black"])
def test_an_even_picture_is_whole(kind: ImageType, colour: str) -> None:
    """Whatever its format makes of it."""
    assert np.ptp(seen(encode(Image.new("RGB", (1500, 1000), colour), kind)).pixels) == 0


@pytest.mark.parametrize("kind", [ImageType.JPEG, ImageType.WEBP, ImageType.HEIC, ImageType.AVIF])
def test_zeros_of_metadata_are_no_damage(kind: ImageType) -> None:
    """Cameras leave room in their notes."""
    notes = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00" + bytes(40_000)
    assert seen(encode(coffee(), kind, exif=notes)).width == 300


def test_an_even_tiff_in_one_strip_is_whole() -> None:
    """A thousand samples that are alike become a byte of zeros."""
    content = tiff(np.full((1000, 1000, 3), 255), compression=DEFLATE)
    assert bytes(len(content) // 4) in content
    assert seen(content).width == 1000


def test_zeros_behind_the_end_of_a_jpeg_are_no_damage() -> None:
    """Some cameras fill the last block."""
    assert seen(encode(coffee(), ImageType.JPEG) + bytes(30_000)).width == 300


def test_a_turned_bit_is_damage_where_a_jpeg_shows_it() -> None:
    """What follows is shifted, and the decoder has too much or too little left."""
    content = encode(coffee(), ImageType.JPEG, restart_marker_rows=1)
    chance, found = random.Random(5), 0  # noqa: S311
    for _ in range(100):
        at = chance.randrange(content.index(b"\xff\xda") + 14, len(content) - 2)
        flipped = content[:at] + bytes([content[at] ^ 16]) + content[at + 1 :]
        found += refusal(flipped) is not None
    assert found > 20


@pytest.mark.parametrize("marker", [b"\xff\xdb", b"\xff\xc0", b"\xff\xc4"])
def test_junk_between_the_segments_of_a_jpeg_is_no_damage(marker: bytes) -> None:
    """Some programs leave a few bytes there."""
    content = encode(coffee(), ImageType.JPEG)
    at = content.index(marker)
    assert seen(content[:at] + b"\x00\x12\x34" + content[at:]).width == 300


@pytest.mark.parametrize("frame", [0xC3, 0xC7, 0xCB])
def test_a_lossless_or_hierarchical_jpeg_is_refused_by_name(frame: int) -> None:
    """It is whole, and the decoder has no code for it."""
    content = encode(coffee(), ImageType.JPEG)
    at = content.index(b"\xff\xc0") + 1
    refused = refusal(content[:at] + bytes([frame]) + content[at + 1 :])
    assert refused
    assert refused.code is FailureCode.UNSUPPORTED_FORMAT
    assert "is lossless or hierarchical, which can't be read. Save it" in refused.message


def test_a_jpeg_of_12_bits_is_refused_by_name() -> None:
    """So that its owner saves it otherwise."""
    content = encode(coffee(), ImageType.JPEG)
    at = content.index(b"\xff\xc0") + 4
    refused = refusal(content[:at] + b"\x0c" + content[at + 1 :])
    assert refused
    assert refused.code is FailureCode.UNSUPPORTED_FORMAT
    assert "has 12 bits a sample, which can't be read. Save it" in refused.message


def test_warnings_of_one_picture_are_not_told_of_the_next() -> None:
    """A damaged one does not make a whole one with junk in its header damaged."""
    content = encode(coffee(), ImageType.JPEG, progressive=True)
    at = content.index(b"\xff\xdb")
    junk = content[:at] + b"\x00\x12\x34" + content[at:]
    begin = len(content) // 2
    require_damaged(content[:begin] + bytes(5_000) + content[begin + 5_000 :])
    assert seen(junk).width == 300


UNREACHABLE = """
import gc, sys
import labeller.imaging.decode
import pyvips
content = sys.stdin.buffer.read()
class Knot: pass
gc.disable()
knot = Knot()
knot.itself, knot.image = knot, pyvips.Image.jpegload_buffer(content)
image = pyvips.Image.jpegload_buffer(content)
del knot
gc.set_threshold(1)
gc.enable()
del image
"""


@pytest.mark.slow
def test_garbage_of_damaged_pictures_does_not_end_the_process() -> None:
    """Freed by the garbage collector, libvips's images warn, wherever Python is by then."""
    content = encode(coffee(), ImageType.JPEG)
    at = content.index(b"\xff\xdb")
    run = subprocess.run(
        [sys.executable, "-c", UNREACHABLE],
        input=content[:at] + b"\x00\x12\x34" + content[at:],
        capture_output=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, b"")


def test_no_message_has_a_decoders_words() -> None:
    """Clients can do nothing with them."""
    for kind in ImageType:
        content = encode(coffee(), kind)
        for end in (40, 100, len(content) // 3):
            refused = refusal(content[:end])
            assert refused
            assert re.fullmatch(r"The (picture|file) .+\.", refused.message)
            assert not re.search("vips|libpng|iloc|Error|buffer|heif|decoder", refused.message)
