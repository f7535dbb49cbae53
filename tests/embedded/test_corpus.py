"""Whatever is uploaded ends labelled or refused with a code; the processes that look stay up."""

from __future__ import annotations

import io
import os
import random
import struct
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from catalogue.blob import FailureCode, ImageType
from catalogue.errors import PictureRefused
from embedded.detector_child import MOST_MEMORY
from embedded.detector_pool import DetectorPool
from labeller.detectors.base import Picture
from tests.support.photos import photo
from tests.support.pictures import every_picture

SEEDS = int(os.environ.get("CORPUS_SEEDS", "500"))  # more of them: a fuzzer
MAX_PIXELS = 100_000_000


@pytest.fixture(scope="module")
def pool(model_path: Path) -> Iterator[DetectorPool]:
    opened = DetectorPool(model_path, max_pixels=MAX_PIXELS, size=2, faces=True)
    opened.wait_until_ready()
    yield opened
    opened.close()


def outcome(pool: DetectorPool, content: bytes, kind: ImageType) -> str:
    """LABELLED, or the code of the refusal; anything else is raised."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()

        def again() -> io.BufferedReader:
            return os.fdopen(os.dup(file.fileno()), "rb")

        picture = Picture("any", kind, again)
        refused = None
        try:
            pool.detect(picture, max_labels=5, min_confidence=1)
        except PictureRefused as refusal:
            refused = refusal
        if refused is None:
            return "LABELLED"
        assert refused.message.endswith("."), refused.message
        return str(refused.code)


def most_memory(pool: DetectorPool) -> int:
    """The largest that one of the processes has ever been, in bytes."""
    peaks = []
    for child in pool._children:
        status = Path(f"/proc/{child.pid}/status").read_text()
        peaks.append(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
    return max(peaks)


def damaged(content: bytes, seed: int) -> bytes:
    """A picture broken off, or with some of its bits turned, or both; early bytes most of all."""
    chance = random.Random(seed)  # noqa: S311  # the same every time
    changed = bytearray(content)
    if seed % 3:
        for _ in range(chance.choice((1, 1, 2, 8, 64))):
            place = int(len(changed) * chance.random() ** chance.choice((1, 3)))
            changed[place] ^= 1 << chance.randrange(8)
    if seed % 3 != 1:
        del changed[int(len(changed) * chance.random()) :]
    return bytes(changed)


def test_every_kind_is_labelled(pool: DetectorPool) -> None:
    """Of a photograph in each format, mode, coding and orientation."""
    cat = Image.open(io.BytesIO(photo("chelsea.png"))).resize((120, 80))
    made = every_picture(cat)
    assert len(made) > 80
    with ThreadPoolExecutor(2) as threads:
        ends = list(threads.map(lambda each: outcome(pool, each.content, each.kind), made))
    odd = [(each.kind, each.what, end) for each, end in zip(made, ends, strict=True)]
    assert [each for each in odd if each[2] != "LABELLED"] == []


def test_damaged_pictures_end_with_a_code(pool: DetectorPool) -> None:
    """Every seed of them, and the processes are neither large nor others afterwards."""
    cat = Image.open(io.BytesIO(photo("chelsea.png"))).resize((120, 80))
    made = every_picture(cat)
    before = [child.pid for child in pool._children]

    def one(seed: int) -> str:
        each = made[seed % len(made)]
        return outcome(pool, damaged(each.content, seed), each.kind)

    with ThreadPoolExecutor(2) as threads:
        ends = Counter(threads.map(one, range(SEEDS)))
    assert ends.keys() <= {"LABELLED", *FailureCode}
    assert ends["LABELLED"] > SEEDS // 20
    assert ends[FailureCode.CORRUPT_IMAGE] > SEEDS // 4
    # A decoder may break; then its process is another, and all the others are as they were.
    changed = set(before) - {child.pid for child in pool._children}
    assert len(changed) <= ends[FailureCode.CORRUPT_IMAGE]
    assert pool.trouble() is None
    if Path("/proc/self/status").exists():
        assert most_memory(pool) < MOST_MEMORY * 1.1


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of any size, with chunks as given."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    parts = [chunk(b"IHDR", header), *(chunk(*each) for each in chunks), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def gif_of(frames: int) -> bytes:
    """An animation whose frames take some bytes each."""
    out = io.BytesIO()
    Image.new("P", (8, 8)).save(out, "GIF")
    content = out.getvalue()
    start = content.index(b"\x2c")  # the image's descriptor, which a trailer follows
    return content[:start] + content[start:-1] * frames + b";"


def looped_tiff() -> bytes:
    """A directory that says that it is its own successor."""
    entries = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(273, 4, 1, 8), (278, 3, 1, 8), (279, 4, 1, 64)]
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *e) for e in entries)
    return b"II*\x00" + struct.pack("<I", 8) + ifd + struct.pack("<I", 8)


BOMBS: dict[str, tuple[ImageType, bytes]] = {
    "a tiny PNG of four billion pixels": (ImageType.PNG, png(65_000, 65_000, (b"IDAT", b"x"))),
    "a PNG wider than anything": (ImageType.PNG, png(2**31 - 1, 1, (b"IDAT", b"x"))),
    "a PNG of zeros that are very many": (
        ImageType.PNG,
        png(9_000, 9_000, (b"IDAT", zlib.compress(bytes(300_000_000), 9))),
    ),
    "a PNG whose text is 100 MB": (
        ImageType.PNG,
        png(8, 8, (b"zTXt", b"a\x00\x00" + zlib.compress(bytes(100_000_000), 9)), (b"IDAT", b"x")),
    ),
    "a PNG whose profile is 100 MB": (
        ImageType.PNG,
        png(8, 8, (b"iCCP", b"a\x00\x00" + zlib.compress(bytes(100_000_000), 9)), (b"IDAT", b"x")),
    ),
    "a JPEG of four billion pixels": (
        ImageType.JPEG,
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x11\x00\x02\x11\x00\x03\x11\x00",
    ),
    "a BMP of a hundred gigabytes": (
        ImageType.BMP,
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**18, 2**18, 1, 24, *[0] * 6),
    ),
    "a TIFF without an end": (ImageType.TIFF, looped_tiff()),
    "a GIF of two hundred thousand frames": (ImageType.GIF, gif_of(200_000)),
    "nothing": (ImageType.PNG, b""),
    "a magic number alone": (ImageType.AVIF, b"\x00\x00\x00\x20ftypavif"),
}


@pytest.mark.parametrize("what", BOMBS)
def test_bombs_do_no_harm(pool: DetectorPool, what: str) -> None:
    """They end soon, with a code or with labels, and the next picture is labelled."""
    kind, content = BOMBS[what]
    end = outcome(pool, content, kind)
    assert end in {"LABELLED", *FailureCode}
    assert outcome(pool, photo("chelsea.png"), ImageType.PNG) == "LABELLED"
    if Path("/proc/self/status").exists():
        assert most_memory(pool) < MOST_MEMORY * 1.1


@pytest.mark.parametrize("declared", ImageType)
def test_what_is_not_what_was_declared_is_refused(pool: DetectorPool, declared: ImageType) -> None:
    """By its bytes, whatever it is called."""
    kind = ImageType.PNG if declared is ImageType.JPEG else ImageType.JPEG
    made = next(each for each in every_picture() if each.kind is kind)
    assert outcome(pool, made.content, declared) == FailureCode.CONTENT_TYPE_MISMATCH
