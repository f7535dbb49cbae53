"""The Rekognition detector: its requests for each kind of picture, and what it refuses."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from PIL import Image

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import PictureRefused
from labeller.detectors.base import Picture
from labeller.detectors.rekognition import (
    HEADER_BYTES,
    MAX_INLINE_BYTES,
    MAX_S3_BYTES,
    RekognitionDetector,
)
from tests.support.aws.rekognition_stub import (
    KEY,
    Rekognition,
    Stored,
    chelsea,
    detector_by,
    encode,
    exif,
    noise,
    refusal,
    seen,
)
from tests.support.images.damage import png_of
from tests.support.images.photos import as_jpeg, photo

# Requests.


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: photo("rocket.jpg"), (640, 427)),
        (lambda: photo("chelsea.png"), (451, 300)),
        (lambda: encode(chelsea(), "JPEG", progressive=True), (451, 300)),
        (lambda: encode(chelsea().convert("L"), "JPEG"), (451, 300)),
        (lambda: encode(chelsea().convert("L"), "PNG"), (451, 300)),
        (lambda: encode(chelsea().convert("RGBA"), "PNG"), (451, 300)),
        (lambda: encode(chelsea().quantize(16), "PNG"), (451, 300)),
        (lambda: encode(Image.new("L", (80, 10_000)), "PNG"), (80, 10_000)),
        (lambda: encode(Image.new("L", (10_000, 80)), "JPEG"), (10_000, 80)),
        (lambda: encode(chelsea(), "JPEG", exif=exif(6)), (300, 451)),
        (lambda: encode(chelsea(), "JPEG", exif=exif(3)), (451, 300)),
        (
            lambda: encode(chelsea(), "MPO", save_all=True, append_images=[chelsea(9, 9)]),
            (451, 300),
        ),
    ],
    ids=[
        "JPEG", "PNG", "progressive", "grey JPEG", "grey PNG", "alpha", "palette",
        "smallest and largest", "as JPEG", "on its side", "on its head", "two in one",
    ],
)  # fmt: skip
def test_rekognition_reads_an_ordinary_picture_from_the_bucket(
    rekognition: Rekognition, make: Callable[[], bytes], size: tuple[int, int]
) -> None:
    """The detector reads only its first bytes. Sizes are as displayed."""
    rekognition.expect_object(max_labels=7, min_confidence=60.5)
    stored = Stored(make())
    detection = detector_by(rekognition.client).detect(
        stored.picture(), max_labels=7, min_confidence=60.5
    )
    assert (detection.width, detection.height) == size
    assert detection.detector == "rekognition/3.0"
    assert (stored.starts, stored.streams) == ([HEADER_BYTES], [])


@pytest.mark.parametrize(
    ("make", "size", "shown"),
    [
        (lambda: encode(chelsea().convert("CMYK"), "JPEG"), (451, 300), (451, 300)),
        (lambda: encode(Image.new("I;16", (90, 90), 0x8000), "PNG"), (90, 90), (90, 90)),
        (lambda: photo("chessboard_RGB.png"), (200, 200), (200, 200)),
        (lambda: encode(chelsea(), "PNG", exif=exif(6)), (300, 451), (300, 451)),
        (lambda: encode(chelsea().convert("CMYK"), "JPEG", exif=exif(8)), (300, 451), (300, 451)),
        (lambda: encode(chelsea(79, 200), "PNG"), (79, 200), (80, 203)),
        (lambda: encode(chelsea(45, 30), "JPEG"), (45, 30), (120, 80)),
        (lambda: encode(chelsea(1, 1), "PNG"), (1, 1), (80, 80)),
        (lambda: encode(chelsea(10_001, 80), "JPEG"), (10_001, 80), (4096, 80)),
        (lambda: encode(chelsea(1000, 10_001), "JPEG"), (1000, 10_001), (410, 4096)),
        (lambda: encode(chelsea(1, 20_000), "PNG"), (1, 20_000), (80, 4096)),
    ],
    ids=[
        "CMYK", "grey of 16 bits", "colours of 16 bits", "turned PNG", "turned CMYK", "narrow",
        "small", "one pixel", "wide", "high", "strip",
    ],
)  # fmt: skip
def test_other_pictures_are_converted_and_sent(
    rekognition: Rekognition,
    make: Callable[[], bytes],
    size: tuple[int, int],
    shown: tuple[int, int],
) -> None:
    """As an upright JPEG within the limits. The reported size is the original's."""
    rekognition.expect_bytes()
    detection = seen(rekognition, make())
    assert (detection.width, detection.height) == size
    assert rekognition.sent().size == shown


def test_converted_picture_shows_the_original(rekognition: Rekognition) -> None:
    """Rotated, in its colours, transparency on white."""
    picture = chelsea().copy()
    picture.putalpha(Image.new("L", picture.size, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 100, 300))
    rekognition.expect_bytes()
    seen(rekognition, encode(picture, "PNG", exif=exif(6)))
    shown = chelsea().copy()
    shown.paste((255, 255, 255), (0, 0, 100, 300))
    expected = shown.transpose(Image.Transpose.ROTATE_270)
    assert np.abs(np.asarray(rekognition.sent(), int) - np.asarray(expected, int)).mean() < 3


def test_threads_convert_one_picture_at_a_time(rekognition: Rekognition) -> None:
    """A decoded picture may take much of the memory: its conversion holds the detector's lock."""
    detector = detector_by(rekognition.client)
    stored = Stored(encode(noise(60, 60), "PNG"))
    held: list[bool] = []

    def opened() -> BinaryIO:
        held.append(detector._converting.locked())
        return stored._open()

    rekognition.expect_bytes()
    picture = replace(stored.picture(), open=opened)
    detector.detect(picture, max_labels=10, min_confidence=55)
    assert held == [True]
    assert not detector._converting.locked()


def test_large_file_is_converted_and_sent(rekognition: Rekognition) -> None:
    """Rekognition would not read it from the bucket. Noise is scaled down to fit."""
    content = encode(noise(2700, 1900), "PNG", compress_level=0)
    assert len(content) > MAX_S3_BYTES
    rekognition.expect_bytes()
    detection = seen(rekognition, content, max_bytes=20_000_000)
    assert (detection.width, detection.height) == (2700, 1900)
    assert rekognition.sent().size in ((2700, 1900), (1350, 950))


def test_largest_allowed_file_is_read_from_the_bucket(rekognition: Rekognition) -> None:
    """One more byte is too many."""
    ordinary = photo("rocket.jpg")
    largest = ordinary + bytes(MAX_S3_BYTES - len(ordinary))
    rekognition.expect_object()
    seen(rekognition, largest, max_bytes=MAX_S3_BYTES + 1)
    rekognition.expect_bytes()
    seen(rekognition, largest + b"\x00", max_bytes=MAX_S3_BYTES + 1)


def test_header_after_large_metadata_is_found(rekognition: Rekognition) -> None:
    """Only then the whole file is read."""
    profile = bytes(range(256)) * 400
    content = encode(chelsea(), "JPEG", icc_profile=profile, exif=exif(8))
    assert content.index(b"\xff\xc0") > HEADER_BYTES
    rekognition.expect_object()
    stored = Stored(content)
    detection = detector_by(rekognition.client).detect(
        stored.picture(), max_labels=10, min_confidence=55
    )
    assert (detection.width, detection.height) == (300, 451)
    assert [stream.closed for stream in stored.streams] == [True]


def test_unknown_size_is_measured_within_the_limit(rekognition: Rekognition) -> None:
    rekognition.expect_object()
    stored = Stored(photo("rocket.jpg"))
    detector = detector_by(rekognition.client, max_bytes=1_000_000)
    detector.detect(stored.picture(sized=False), max_labels=10, min_confidence=55)
    assert stored.starts == [1_000_001, HEADER_BYTES]


def test_storage_without_partial_reads_is_supported(rekognition: Rekognition) -> None:
    """It returns a stream."""
    rekognition.expect_object()
    stored = Stored(photo("rocket.jpg"))
    picture = Picture(KEY, ImageType.JPEG, stored._open)
    detector_by(rekognition.client).detect(picture, max_labels=10, min_confidence=55)
    assert stored.streams
    assert all(stream.closed for stream in stored.streams)


# Pictures that are refused before a request.


@pytest.mark.parametrize(
    ("content", "seems"),
    [
        (encode(chelsea(), "PDF"), "a PDF document"),
        (b"hello", "of an unknown format"),
        (b"", "empty"),
    ],
)
def test_unsupported_formats_are_refused(
    rekognition: Rekognition, content: bytes, seems: str
) -> None:
    """With the message of the other detectors."""
    refused = refusal(rekognition, content)
    assert refused.code == FailureCode.UNSUPPORTED_FORMAT
    assert refused.message.startswith(f"The file seems to be {seems}. Save it as JPEG, PNG, WebP, ")


@pytest.mark.parametrize("sized", [True, False])
def test_file_above_the_limit_is_refused_unread(rekognition: Rekognition, sized: bool) -> None:
    """The message holds the size, if known, and the limit."""
    content = photo("rocket.jpg")
    stored = Stored(content)
    detector = detector_by(rekognition.client, max_bytes=len(content) - 1)
    with pytest.raises(PictureRefused) as refused:
        detector.detect(stored.picture(sized=sized), max_labels=10, min_confidence=55)
    assert refused.value.code == FailureCode.TOO_LARGE
    has = "112,525" if sized else "more than 112,524"
    assert refused.value.message == f"The picture has {has} bytes; at most 112,524 are accepted."
    assert stored.streams == []
    assert sum(stored.starts) == (0 if sized else len(content))


@pytest.mark.parametrize(
    "make",
    [
        lambda: encode(chelsea(), "PNG"),
        lambda: encode(chelsea().convert("CMYK"), "JPEG"),
        lambda: png_of(20_000, 20_000),
    ],
    ids=["stored", "converted", "bomb"],
)
def test_too_many_pixels_are_refused_by_the_header(
    rekognition: Rekognition, make: Callable[[], bytes]
) -> None:
    refused = refusal(rekognition, make(), max_pixels=451 * 300 - 1)
    assert refused.code == FailureCode.TOO_MANY_PIXELS
    assert refused.message.endswith("at most 135,299 are accepted.")


@pytest.mark.parametrize(
    "content",
    [
        photo("rocket.jpg")[:300],
        photo("chelsea.png")[:30],
        encode(chelsea(45, 30), "JPEG")[:-400],
        encode(chelsea().convert("CMYK"), "JPEG")[:5000],
        encode(Image.new("I;16", (90, 90), 0x8000), "PNG")[:80],
    ],
    ids=["JPEG's header", "PNG's header", "small", "CMYK", "16 bits"],
)
def test_truncated_picture_is_refused_without_a_call(
    rekognition: Rekognition, content: bytes
) -> None:
    """It had to be decoded here."""
    refused = refusal(rekognition, content)
    assert refused.code == FailureCode.CORRUPT_IMAGE
    assert re.match("The picture is (damaged or incomplete|broken off)[.:] ", refused.message)


def test_scan_bomb_is_not_decoded(rekognition: Rekognition) -> None:
    """Conversions keep the decoder's limits."""
    progressive = encode(chelsea(60, 60), "JPEG", progressive=True)
    last = progressive[progressive.rindex(b"\xff\xda") : -2]
    refused = refusal(rekognition, progressive[:-2] + last * 5000 + b"\xff\xd9")
    assert refused.code == FailureCode.CORRUPT_IMAGE


def test_name_holds_service_and_model_version(rekognition: Rekognition) -> None:
    """Each response holds the version."""
    assert detector_by(rekognition.client).name == "rekognition"
    rekognition.stub.add_response("detect_labels", {"Labels": []})
    assert seen(rekognition, photo("rocket.jpg")).detector == "rekognition/unknown"


def test_without_a_bucket_pictures_are_sent(rekognition: Rekognition) -> None:
    """Unchanged up to 5 MB, converted beyond that, with the same labels."""
    detector = RekognitionDetector(rekognition.client, None, max_pixels=10**8, max_bytes=10**8)
    cat = as_jpeg(photo("chelsea.png"))
    most = cat + bytes(MAX_INLINE_BYTES - len(cat))
    for content in (cat, most, most + b"\0"):
        rekognition.expect_bytes()
        stored = Stored(content)
        seen = detector.detect(stored.picture(), max_labels=10, min_confidence=55)
        assert (seen.width, seen.height) == (451, 300)
        assert all(stream.closed for stream in stored.streams)
    sent = [each["Image"]["Bytes"] for each in rekognition.requests]
    assert sent[:2] == [cat, most]
    assert rekognition.sent().size == (451, 300)


def test_a_picture_in_a_request_whose_tail_became_zeros_is_refused(
    rekognition: Rekognition,
) -> None:
    """It is whole by its header, and Rekognition would label what is left."""
    detector = RekognitionDetector(rekognition.client, None, max_pixels=10**8, max_bytes=10**8)
    cat = as_jpeg(photo("chelsea.png"))
    stored = Stored(cat[: len(cat) // 2] + bytes(len(cat) // 2))
    with pytest.raises(PictureRefused) as refused:
        detector.detect(stored.picture(), max_labels=10, min_confidence=55)
    assert refused.value.code == FailureCode.CORRUPT_IMAGE
    assert not rekognition.requests


IMPORTS = """
import io, sys
from labeller.detectors.base import Picture
from labeller.detectors.rekognition import RekognitionDetector
from core.domain.blob import ImageType
content = sys.stdin.buffer.read()
class Client:
    def detect_labels(self, **request):
        print(*request["Image"])
        return {}
sys.modules["numpy"] = None
heavy = {"boto3", "botocore", "PIL", "pyvips"}
assert not heavy & set(sys.modules)
detector = RekognitionDetector(Client(), "b", max_pixels=10**7, max_bytes=10**7)
detector.detect(
    Picture("k", ImageType.JPEG, lambda: io.BytesIO(content)), max_labels=1, min_confidence=0
)
print(*sorted((heavy - {"botocore"}) & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (as_jpeg(photo("chelsea.png")), "S3Object\npyvips\n"),
        (encode(chelsea(40, 40), "JPEG"), "Bytes\npyvips\n"),
        (encode(chelsea(40, 40), "GIF"), "Bytes\nPIL pyvips\n"),
    ],
)
@pytest.mark.slow
def test_cold_start_loads_neither_libvips_nor_numpy(content: bytes, said: str) -> None:
    """The first picture loads libvips, and one that libvips does not read Pillow."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS],
        check=True,
        capture_output=True,
        input=content,
        cwd=Path(__file__).parents[4],
    )
    assert (done.stdout.decode(), done.stderr) == (said, b"")
