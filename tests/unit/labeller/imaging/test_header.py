"""What a file's beginning tells: its type, and the header of an everyday JPEG or PNG."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from core.domain.blob import ImageType
from labeller.imaging.damage import read_jpeg
from labeller.imaging.header import PREFIX_BYTES, describe, type_of
from labeller.imaging.sources import Source, everyday_header
from tests.support.images.photos import photo

PHOTOS = sorted(
    path.name
    for path in Path(str(resources.files("skimage") / "data")).iterdir()
    if path.suffix in (".jpg", ".png")
)
SIXTEEN_BITS = "chessboard_RGB.png"
JPEG_MODES = ["RGB", "L", "CMYK"]
PNG_MODES = ["RGB", "L", "RGBA", "LA", "P", "1", "I;16"]


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def turned_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = orientation
    return exif


def as_pillow_sees(content: bytes) -> tuple[int, int]:
    """Width and height, turned as EXIF says."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return ImageOps.exif_transpose(image).size


def header_of(content: bytes) -> Source:
    header = everyday_header(content)
    assert header
    return header


def told(header: Source | None) -> tuple[ImageType, int, int, int] | None:
    return header and (header.kind, header.width, header.height, header.orientation)


def segment(marker: int, content: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


def chunk(name: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


@pytest.mark.parametrize("name", PHOTOS)
def test_photographs(name: str) -> None:
    """Their size, and that nothing but the bits of one is out of the ordinary."""
    kind = ImageType.JPEG if name.endswith(".jpg") else ImageType.PNG
    expected = (kind, *as_pillow_sees(photo(name)), 1)
    assert told(everyday_header(photo(name))) == (None if name == SIXTEEN_BITS else expected)


@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    orientation=st.sampled_from([None, *range(10)]),
    encoding=st.sampled_from(
        [("JPEG", mode, progressive) for mode in JPEG_MODES for progressive in (False, True)]
        + [("PNG", mode, False) for mode in PNG_MODES]
    ),
)
def test_pictures_of_every_kind(
    width: int, height: int, orientation: int | None, encoding: tuple[str, str, bool]
) -> None:
    """As Pillow turns them, with an orientation that exists or one that does not."""
    kind, mode, progressive = encoding
    options = {} if orientation is None else {"exif": turned_exif(orientation)}
    content = encode(Image.new(mode, (width, height)), kind, progressive=progressive, **options)
    header = everyday_header(content)
    assert (header is None) == (mode in ("CMYK", "I;16"))
    if header:
        assert (header.width, header.height) == as_pillow_sees(content)
        assert header.orientation == (orientation if orientation in range(1, 9) else 1)


def test_16_bit_colours_are_told() -> None:
    """Pillow writes none, but reads them."""
    row = b"\x00" + bytes(6)
    rgb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row))
        + chunk(b"IEND", b"")
    )
    assert as_pillow_sees(rgb) == (1, 1)
    assert everyday_header(rgb) is None


@cache
def small(kind: str) -> bytes:
    image = Image.open(io.BytesIO(photo("chelsea.png"))).resize((48, 32))
    return encode(image, kind, exif=turned_exif(6))


def starts(content: bytes) -> Iterator[bytes]:
    return (content[:end] for end in range(len(content)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_too_short_a_start_tells_nothing_rather_than_something_wrong(kind: str) -> None:
    """However many bytes are read, it is the whole truth or none."""
    whole = header_of(small(kind))
    assert (whole.width, whole.height, whole.orientation) == (32, 48, 6)
    seen = [told(everyday_header(start)) for start in starts(small(kind))]
    assert set(seen) == {None, told(whole)}
    assert seen == sorted(seen, key=lambda header: header is not None)


@given(data=st.data(), kind=st.sampled_from(["JPEG", "PNG"]))
def test_damage_never_raises(data: st.DataObject, kind: str) -> None:
    """The result is None or a header whose size fits the format."""
    content = bytearray(small(kind)[:400])
    for position in data.draw(st.lists(st.integers(3, len(content) - 1), max_size=6)):
        content[position] = data.draw(st.integers(0, 255))
    header = everyday_header(bytes(content))
    if header:
        assert max(header.width, header.height) < 2**32


@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]), st.binary(max_size=200))
def test_noise_never_raises(magic: bytes, noise: bytes) -> None:
    """Even if it begins like a picture."""
    everyday_header(magic + noise)


def test_other_formats_have_no_header() -> None:
    """It is not for this module to read them."""
    assert everyday_header(encode(Image.new("RGB", (9, 9)), "GIF")) is None
    assert everyday_header(b"") is None


def with_segments(*segments: bytes) -> bytes:
    """A JPEG of 48 by 32 with these before all others."""
    plain = encode(Image.new("RGB", (48, 32)), "JPEG")
    return plain[:2] + b"".join(segments) + plain[2:]


TIFF = turned_exif(8).tobytes().removeprefix(b"Exif\x00\x00")


@pytest.mark.parametrize(
    "content",
    [
        with_segments(segment(0xE1, b"Exif\x00\x00" + TIFF)),
        with_segments(b"\xff\xff\xff" + segment(0xE1, b"Exif\x00\x00" + TIFF)),
        with_segments(segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<x/>"),
                      segment(0xE1, b"Exif\x00\x00" + TIFF)),
        with_segments(*[segment(0xE2, bytes(60_000))] * 5, segment(0xE1, b"Exif\x00\x00" + TIFF)),
        with_segments(segment(0xE1, b"Exif\x00\x00" + TIFF),
                      segment(0xE1, b"Exif\x00\x00" + turned_exif(3).tobytes()[6:])),
    ],
    ids=["plain", "padded", "behind XMP", "behind 300 kB", "twice"],
)  # fmt: skip
def test_exif_wherever_it_is(content: bytes) -> None:
    """The first one counts, as it does for Pillow."""
    header = header_of(content)
    assert (header.orientation, header.width, header.height) == (8, 32, 48)
    assert as_pillow_sees(content) == (32, 48)


def test_exif_behind_the_frame_counts_too() -> None:
    """Everything before the pixels is read."""
    plain = encode(Image.new("RGB", (48, 32)), "JPEG")
    scan = plain.index(b"\xff\xda")
    late = plain[:scan] + segment(0xE1, b"Exif\x00\x00" + TIFF) + plain[scan:]
    assert header_of(late).orientation == 8
    assert as_pillow_sees(late) == (32, 48)


class CountedBytes(bytes):
    """Bytes that count how many of them were read, one by one or by slices."""

    count = 0

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        self.count += len(found) if isinstance(found, bytes) else 1
        return found


@pytest.mark.parametrize(
    "content",
    [
        with_segments(segment(0xE1, b"Exif\x00\x00" + bytes(10)) * 20_000),
        with_segments(b"\xff" * 400_000),
        with_segments(segment(0xE2, b"") * 100_000),
    ],
    ids=["EXIF in bits", "padding", "empty segments"],
)
def test_reading_a_header_takes_steps_in_proportion_to_its_bytes(content: bytes) -> None:
    """Not to their square, whatever the header is made of."""
    read = CountedBytes(content)
    assert read_jpeg(read).scan
    assert 0 < read.count < 3 * len(content)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xda\x00\x02",
        small("PNG")[:8] + chunk(b"CgBI", bytes(4)) + small("PNG")[8:],
    ],
    ids=["no frame", "Apple's PNG"],
)
def test_what_cannot_be_read_is_no_header(content: bytes) -> None:
    """Nothing is guessed."""
    assert everyday_header(content) is None


@pytest.mark.parametrize("frame", [0xC3, 0xC5, 0xC9, 0xCA, 0xCF])
def test_rare_codings_are_not_everyday(frame: int) -> None:
    """Lossless, hierarchical, arithmetic."""
    plain = bytearray(with_segments())
    at = plain.index(b"\xff\xc0")
    assert everyday_header(bytes(plain))
    plain[at + 1] = frame
    assert everyday_header(bytes(plain)) is None


@pytest.mark.parametrize(
    ("start", "name"),
    [
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00", "a camera's raw file (CR2)"),
        (b"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01crx isom", "a camera's raw file (CR3)"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw file (RAF)"),
        (b"IIRO\x08\x00\x00\x00", "a camera's raw file (ORF)"),
        (b"IIU\x00\x18\x00\x00\x00", "a camera's raw file (RW2)"),
    ],
)
def test_raw_files_are_told_by_their_beginning(start: bytes, name: str) -> None:
    """Though some begin as a TIFF or a video does."""
    assert type_of(start[:PREFIX_BYTES]) is None
    assert describe(start[:PREFIX_BYTES]) == name
