"""The Rekognition detector: its requests for each kind of picture, and its results.

The responses in tests/events/rekognition_*.json were written after the "DetectLabels" page of the
Amazon Rekognition API reference, not recorded from a call.
"""

from __future__ import annotations

import io
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import boto3
import numpy as np
import pytest
from botocore.config import Config
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable
from core.domain.label import BoundingBox, Detection, Instance, Label
from labeller.detectors.base import Picture
from labeller.detectors.rekognition import (
    HEADER_BYTES,
    MAX_CONVERTED_SIDE,
    MAX_INLINE_BYTES,
    MAX_S3_BYTES,
    RekognitionDetector,
)
from labeller.detectors.rekognition_response import labels_in
from tests.support.damage import png_of
from tests.support.photos import as_jpeg, photo

BUCKET = "pictures"
KEY = "originals/anna/01ARYZ"
WHOLE = BoundingBox(0, 0, 1, 1)
EVENTS = Path(__file__).parents[3] / "events"


def example_response(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EVENTS / f"rekognition_{name}.json").read_text())
    return content


def client(**options: Any) -> Any:
    return boto3.client(
        "rekognition",
        region_name="eu-west-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        **options,
    )


class Rekognition:
    """A client that returns scripted responses and records its requests."""

    def __init__(self) -> None:
        self.client = client()
        self.stub = Stubber(self.client)
        self.requests: list[dict[str, Any]] = []
        self.client.meta.events.register(
            "provide-client-params.rekognition.DetectLabels",
            lambda params, **_: self.requests.append(params),
        )

    def expect_object(self, *, max_labels: int = 10, min_confidence: float = 55) -> None:
        """Respond once, if the request names the object in the bucket."""
        image = {"S3Object": {"Bucket": BUCKET, "Name": KEY}}
        self._expect(image, max_labels, min_confidence)

    def expect_bytes(self, *, max_labels: int = 10, min_confidence: float = 55) -> None:
        """Respond once, if the request holds bytes."""
        self._expect({"Bytes": ANY}, max_labels, min_confidence)

    def _expect(self, image: Any, max_labels: int, min_confidence: float) -> None:
        request = {"Image": image, "MaxLabels": max_labels, "MinConfidence": min_confidence}
        self.stub.add_response("detect_labels", example_response("street"), request)

    def sent(self) -> Image.Image:
        """The picture in the request, which keeps all limits."""
        content = self.requests[-1]["Image"]["Bytes"]
        assert len(content) <= MAX_INLINE_BYTES
        image = Image.open(io.BytesIO(content))
        image.load()
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert 80 <= min(image.size) <= max(image.size) <= MAX_CONVERTED_SIDE
        assert "exif" not in image.info
        return image


@pytest.fixture
def rekognition() -> Iterator[Rekognition]:
    rekognition = Rekognition()
    with rekognition.stub:
        yield rekognition
    rekognition.stub.assert_no_pending_responses()


class Stored:
    """A picture in a bucket. Counts the bytes that are read of it."""

    def __init__(self, content: bytes, kind: ImageType | None = None) -> None:
        self.content = content
        self.kind = kind or (ImageType.PNG if content.startswith(b"\x89PNG") else ImageType.JPEG)
        self.streams: list[BinaryIO] = []
        self.starts: list[int] = []

    def picture(self, *, sized: bool = True) -> Picture:
        size = len(self.content) if sized else None
        return Picture(KEY, self.kind, self._open, size, self._start)

    def _open(self) -> BinaryIO:
        self.streams.append(io.BytesIO(self.content))
        return self.streams[-1]

    def _start(self, length: int) -> bytes:
        self.starts.append(length)
        return self.content[:length]


def detector_by(
    rekognition: Any, *, max_pixels: int = 50_000_000, max_bytes: int = 15_000_000
) -> RekognitionDetector:
    return RekognitionDetector(rekognition, BUCKET, max_pixels=max_pixels, max_bytes=max_bytes)


def seen(rekognition: Rekognition, content: bytes, **limits: int) -> Detection:
    detector = detector_by(rekognition.client, **limits)
    stored = Stored(content)
    detection = detector.detect(stored.picture(), max_labels=10, min_confidence=55)
    assert all(stream.closed for stream in stored.streams)
    return detection


def refusal(
    rekognition: Rekognition,
    content: bytes,
    kind: ImageType | None = None,
    *,
    sized: bool = True,
    **limits: int,
) -> PictureRefused:
    """The reason for a picture's refusal. Without an expected response nothing was requested."""
    detector = detector_by(rekognition.client, **limits)
    stored = Stored(content, kind)
    with pytest.raises(PictureRefused) as refused:
        detector.detect(stored.picture(sized=sized), max_labels=10, min_confidence=55)
    assert all(stream.closed for stream in stored.streams)
    return refused.value


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


@cache
def chelsea(width: int = 451, height: int = 300) -> Image.Image:
    image = Image.open(io.BytesIO(photo("chelsea.png"))).convert("RGB")
    return image.resize((width, height))


@cache
def noise(width: int, height: int) -> Image.Image:
    chance = np.random.default_rng(7)
    return Image.fromarray(chance.integers(0, 256, (height, width, 3), np.uint8))


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


# Responses.


def test_documented_response_is_read(rekognition: Rekognition) -> None:
    """Name, confidence, parents, instances, aliases, categories; most confident first."""
    rekognition.expect_object()
    labels = seen(rekognition, photo("rocket.jpg")).labels
    assert [(label.name, round(label.confidence)) for label in labels] == [
        ("Car", 99), ("Transportation", 99), ("Vehicle", 99), ("Person", 92), ("Road", 71),
    ]  # fmt: skip
    car, *_, road = labels
    assert car.parents == ("Vehicle", "Transportation")
    assert car.aliases == ("Automobile",)
    assert car.categories == ("Vehicles and Automotive",)
    assert [round(instance.confidence) for instance in car.instances] == [99, 97]
    box = car.instances[1].bounding_box
    assert (box.left, box.top) == (0.7309805154800415, 0.5251884460449219)
    assert (box.width, box.height) == pytest.approx((0.2429988533258438, 0.21577216684818268))
    assert road == Label("Road", 71.46966552734375, categories=("Travel and Adventure",))


def test_response_without_labels_is_a_result(rekognition: Rekognition) -> None:
    rekognition.stub.add_response("detect_labels", example_response("nothing"))
    assert seen(rekognition, photo("rocket.jpg")).labels == ()


def test_optional_fields_may_be_missing() -> None:
    """All but name and confidence."""
    response = {"Labels": [{"Name": "Cat", "Confidence": 99.0}]}
    labels = labels_in(response, WHOLE, max_labels=9, min_confidence=0)
    assert labels == (Label("Cat", 99.0),)
    assert labels_in({}, WHOLE, max_labels=9, min_confidence=0) == ()


def test_duplicate_names_are_merged() -> None:
    """They differ in case only. The highest confidence counts."""
    response = [("cat", 50.0), ("Dog", 70.0), ("Cat", 90.0), ("Ant", 70.0)]
    labels = labels_in(
        {"Labels": [{"Name": name, "Confidence": sure} for name, sure in response]},
        WHOLE,
        max_labels=9,
        min_confidence=0,
    )
    assert [(label.name, label.confidence) for label in labels] == [
        ("Cat", 90.0), ("Ant", 70.0), ("Dog", 70.0),
    ]  # fmt: skip


numbers = st.floats(-0.5, 1.5)
boxes = st.fixed_dictionaries(dict.fromkeys(("Left", "Top", "Width", "Height"), numbers))
places = st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0.01, 0.5)).map(
    lambda sides: BoundingBox(sides[0], sides[1], sides[2], sides[2])
)


@given(
    response=st.lists(
        st.fixed_dictionaries(
            {
                "Name": st.sampled_from(["Cat", "cat", "Dog", "Tree", "Sky", "Straße", "STRASSE"]),
                "Confidence": st.floats(-1, 101),
                "Instances": st.lists(
                    st.fixed_dictionaries({"BoundingBox": boxes, "Confidence": st.floats(-1, 101)}),
                    max_size=3,
                ),
            }
        ),
        max_size=8,
    ),
    place=st.just(WHOLE) | places,
    max_labels=st.integers(1, 5),
    min_confidence=st.floats(0, 100),
)
def test_labels_keep_the_ports_contract_for_any_response(
    response: list[dict[str, Any]], place: BoundingBox, max_labels: int, min_confidence: float
) -> None:
    """Their number, confidence, order and uniqueness, and boxes inside the picture."""
    labels = labels_in(
        {"Labels": response}, place, max_labels=max_labels, min_confidence=min_confidence
    )
    assert len(labels) <= max_labels
    assert all(min_confidence <= label.confidence <= 100 for label in labels)
    assert list(labels) == sorted(labels, key=lambda label: (-label.confidence, label.name))
    assert len({label.name.casefold() for label in labels}) == len(labels)
    for instance in (instance for label in labels for instance in label.instances):
        box = instance.bounding_box
        assert 0 <= instance.confidence <= 100
        assert 0 <= box.left < box.left + box.width <= 1 + 1e-9
        assert 0 <= box.top < box.top + box.height <= 1 + 1e-9


def box_told(place: BoundingBox, **sides: float) -> tuple[Instance, ...]:
    response = {"Name": "Cat", "Confidence": 90, "Instances": [{"BoundingBox": sides}]}
    (label,) = labels_in({"Labels": [response]}, place, max_labels=1, min_confidence=0)
    return label.instances


corners = (
    st.tuples(st.floats(0, 1), st.floats(0, 1))
    .map(sorted)
    .filter(lambda ends: ends[1] - ends[0] > 0.001)
)


@given(place=st.just(WHOLE) | places, across=corners, down=corners)
def test_boxes_of_a_padded_picture_round_trip(
    place: BoundingBox, across: list[float], down: list[float]
) -> None:
    """A box of the original, expressed for the converted picture, is read back unchanged."""
    (instance,) = box_told(
        place,
        Left=place.left + across[0] * place.width,
        Top=place.top + down[0] * place.height,
        Width=(across[1] - across[0]) * place.width,
        Height=(down[1] - down[0]) * place.height,
    )
    box = instance.bounding_box
    assert (box.left, box.left + box.width) == pytest.approx(across, abs=1e-9)
    assert (box.top, box.top + box.height) == pytest.approx(down, abs=1e-9)


def test_boxes_in_the_padding_are_dropped_or_cropped(rekognition: Rekognition) -> None:
    strip = BoundingBox(0.25, 0, 0.5, 1)
    (inside,) = box_told(strip, Left=0.5, Top=0.5, Width=0.125, Height=0.25)
    assert inside == Instance(BoundingBox(0.5, 0.5, 0.25, 0.25), 90)
    (across,) = box_told(strip, Left=0, Top=0, Width=0.5, Height=1)
    assert across.bounding_box == BoundingBox(0, 0, 0.5, 1)
    assert box_told(strip, Left=0, Top=0, Width=0.2, Height=1) == ()
    assert box_told(WHOLE, Left=0.2, Top=0.2, Width=0, Height=0.5) == ()

    narrow = encode(chelsea(10, 2000), "PNG")  # 20 of 80 columns are the picture
    rekognition.expect_bytes()
    car, *_, person, _ = seen(rekognition, narrow).labels
    assert rekognition.sent().size == (80, 4096)
    assert car.instances == ()
    box = person.instances[0].bounding_box
    assert (box.left, box.width) == pytest.approx(((0.43735 - 0.375) / 0.2625, 0.7374), abs=0.03)
    assert (box.top, box.height) == pytest.approx((0.35072, 0.27422), abs=1e-4)


# Errors.


def failing(rekognition: Rekognition, code: str, content: bytes = b"") -> Exception:
    image = content or photo("rocket.jpg")
    rekognition.stub.add_client_error("detect_labels", code, "Says Amazon.", 400)
    with pytest.raises((Unavailable, PictureRefused, ObjectNotFound)) as error:
        seen(rekognition, image)
    assert error.value.__cause__ is not None
    return error.value


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "LimitExceededException",
        "InternalServerError",
        "ServiceUnavailable",
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "SomethingNewException",
    ],
)
def test_service_error_raises_unavailable(rekognition: Rekognition, code: str) -> None:
    """The message holds the error."""
    error = failing(rekognition, code)
    assert isinstance(error, Unavailable)
    assert f"Rekognition can't answer: An error occurred ({code})" in str(error)
    assert "Says Amazon." in str(error)


def test_missing_permission_raises_unavailable_with_the_remedy(rekognition: Rekognition) -> None:
    """The picture is not at fault."""
    error = failing(rekognition, "AccessDeniedException")
    assert isinstance(error, Unavailable)
    assert str(error).endswith("Check the labeller's role: it needs rekognition:DetectLabels.")


@pytest.mark.parametrize(
    ("code", "expected", "message"),
    [
        (
            "InvalidImageFormatException",
            FailureCode.CORRUPT_IMAGE,
            "The picture can't be read: it is damaged, or a kind of JPEG that is not supported.",
        ),
        (
            "ImageTooLargeException",
            FailureCode.TOO_LARGE,
            "The picture is larger than can be labelled.",
        ),
        (
            "InvalidParameterException",
            FailureCode.UNSUPPORTED_FORMAT,
            "The picture can't be labelled as it is; save it again as an ordinary JPEG.",
        ),
    ],
)
def test_fault_of_the_picture_is_refused_after_one_call(
    rekognition: Rekognition, code: str, expected: FailureCode, message: str
) -> None:
    error = failing(rekognition, code)
    assert isinstance(error, PictureRefused)
    assert (error.code, error.message) == (expected, message)
    png = failing(rekognition, "InvalidParameterException", photo("chelsea.png"))
    assert str(png).endswith("an ordinary PNG.")


def test_unreadable_object_raises_unavailable_with_the_remedy(
    rekognition: Rekognition,
) -> None:
    """A role or a region is wrong, not the picture."""
    error = failing(rekognition, "InvalidS3ObjectException")
    assert isinstance(error, Unavailable)
    assert "Check the labeller's role and the bucket" in str(error)


def test_object_deleted_before_the_call_is_missing(rekognition: Rekognition) -> None:
    starts = [photo("rocket.jpg")]

    def start(length: int) -> bytes:
        if not starts:
            raise ObjectNotFound(KEY)
        return starts.pop()[:length]

    stored = Stored(photo("rocket.jpg"))
    picture = Picture(KEY, ImageType.JPEG, stored._open, len(stored.content), start)
    rekognition.stub.add_client_error("detect_labels", "InvalidS3ObjectException")
    with pytest.raises(ObjectNotFound):
        detector_by(rekognition.client).detect(picture, max_labels=10, min_confidence=55)


def test_every_documented_error_is_handled(rekognition: Rekognition) -> None:
    """A new botocore may add errors."""
    operation = rekognition.client.meta.service_model.operation_model("DetectLabels")
    assert {shape.name for shape in operation.error_shapes} == {
        "AccessDeniedException",
        "ImageTooLargeException",
        "InternalServerError",
        "InvalidImageFormatException",
        "InvalidParameterException",
        "InvalidS3ObjectException",
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
    }


@pytest.mark.parametrize("listens", [True, False])
def test_network_failure_raises_unavailable(listens: bool) -> None:
    """A closed port, or a server that never responds."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if listens:
            server.listen()
        config = Config(
            connect_timeout=2, read_timeout=0.2, retries={"total_max_attempts": 1}, proxies={}
        )
        port = server.getsockname()[1]
        detector = detector_by(client(endpoint_url=f"http://127.0.0.1:{port}", config=config))
        with pytest.raises(Unavailable, match=r"imeout|Could not connect"):
            detector.detect(Stored(photo("rocket.jpg")).picture(), max_labels=10, min_confidence=55)


# Set-up.


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
