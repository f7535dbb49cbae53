"""The contract of every detector."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from PIL import Image

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import ObjectNotFound, PictureRefused
from labeller.detectors.base import Detector, Picture
from labeller.detectors.classifier import open_classifier
from labeller.detectors.onnx import open_detector
from labeller.detectors.rekognition import RekognitionDetector
from tests.support.images import pictures
from tests.support.images.classifiers import colour_classifier
from tests.support.images.photos import as_jpeg, photo

MAX_PIXELS = 1_000_000
STREET = Path(__file__).parents[1] / "events" / "rekognition_street.json"

Stored = dict[str, bytes]


def rekognition_of(stored: Stored) -> Any:
    """A boto3 client of a simulated Rekognition that finds a street in every picture.

    It keeps the limits and parameters of the "DetectLabels" page.
    """
    client = boto3.client(
        "rekognition",
        region_name="eu-west-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )

    def respond(params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        request = json.loads(params["body"])
        code = _fault(request["Image"], stored)
        if code:
            error = {"Code": code, "Message": "Request has an invalid image."}
            return AWSResponse("", 400, {}, None), {"Error": error}
        response = json.loads(STREET.read_text())
        response["Labels"] = [
            label for label in response["Labels"] if label["Confidence"] >= request["MinConfidence"]
        ][: request["MaxLabels"]]
        return AWSResponse("", 200, {}, None), response

    client.meta.events.register("before-call.rekognition.DetectLabels", respond)
    return client


def _fault(request: dict[str, Any], stored: Stored) -> str | None:
    """Return Rekognition's error for a picture, or None."""
    if "Bytes" in request:
        content, most = base64.b64decode(request["Bytes"]), 5_242_880
    elif (key := request["S3Object"]["Name"]) in stored:
        content, most = stored[key], 15_728_640
    else:
        return "InvalidS3ObjectException"
    if len(content) > most:
        return "ImageTooLargeException"
    try:
        image = Image.open(io.BytesIO(content), formats=["JPEG", "PNG"])
        image.load()
    except OSError:
        return "InvalidImageFormatException"
    return (
        None if 80 <= min(image.size) <= max(image.size) <= 10_000 else "InvalidParameterException"
    )


@pytest.fixture
def stored() -> Stored:
    """Pictures by key."""
    return {}


@pytest.fixture(params=["onnx", "classifier", "rekognition", "rekognition without a bucket"])
def detector(request: pytest.FixtureRequest, stored: Stored, tmp_path: Path) -> Detector:
    if request.param == "onnx":
        return open_detector(request.getfixturevalue("model_path"), max_pixels=MAX_PIXELS)
    if request.param == "classifier":
        return open_classifier(colour_classifier(tmp_path), max_pixels=MAX_PIXELS)
    bucket = "pictures" if request.param == "rekognition" else None
    return RekognitionDetector(
        rekognition_of(stored), bucket, max_pixels=MAX_PIXELS, max_bytes=15_000_000
    )


Put = Callable[..., Picture]


@pytest.fixture
def put(stored: Stored) -> Put:
    """Store a picture and return it, with or without its size."""

    def put(content: bytes, kind: ImageType | None = None, *, sized: bool = True) -> Picture:
        key = f"originals/anna/{len(stored)}"
        stored[key] = content
        found = ImageType.PNG if content.startswith(b"\x89PNG") else ImageType.JPEG
        picture = Picture(key, kind or found, lambda: io.BytesIO(content))
        if not sized:
            return picture
        return replace(picture, size=len(content), open_start=lambda length: content[:length])

    return put


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def small(width: int = 90, height: int = 60) -> Image.Image:
    return Image.open(io.BytesIO(photo("chelsea.png"))).convert("RGB").resize((width, height))


def turned(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(small(), kind, exif=exif)


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("name", ["chelsea.png", "rocket.jpg"])
def test_photograph_gets_labels_size_and_detector_name(
    detector: Detector, put: Put, name: str, sized: bool
) -> None:
    detection = detector.detect(put(photo(name), sized=sized), max_labels=40, min_confidence=1)
    size = Image.open(io.BytesIO(photo(name))).size
    assert (detection.width, detection.height) == size
    assert detection.detector.startswith(detector.name)
    assert detection.labels
    for label in detection.labels:
        assert label.name
        assert label.name not in label.parents
        assert 1 <= label.confidence <= 100


@pytest.mark.parametrize("kind", ImageType)
def test_every_format_gets_labels(detector: Detector, put: Put, kind: ImageType) -> None:
    """A detector may have the picture converted first."""
    picture = put(pictures.encode(small(320, 200), kind), kind)
    detection = detector.detect(picture, max_labels=40, min_confidence=1)
    assert (detection.width, detection.height) == (320, 200)
    assert detection.labels


def test_labels_are_sorted_and_unique(detector: Detector, put: Put) -> None:
    """Most confident first, ties by name."""
    labels = detector.detect(put(photo("rocket.jpg")), max_labels=1000, min_confidence=0).labels
    order = [(-label.confidence, label.name) for label in labels]
    assert all(one < other for one, other in pairwise(order))
    assert len({label.name.casefold() for label in labels}) == len(labels)


def test_callers_limits_apply(detector: Detector, put: Put) -> None:
    """Fewer labels are the first of more."""
    picture = put(photo("motorcycle_left.png"))
    everything = detector.detect(picture, max_labels=1000, min_confidence=0).labels
    for most in (1, 2, len(everything)):
        assert (
            detector.detect(picture, max_labels=most, min_confidence=0).labels == everything[:most]
        )
    bound = everything[2].confidence
    sure = detector.detect(picture, max_labels=1000, min_confidence=bound).labels
    assert sure == tuple(label for label in everything if label.confidence >= bound)
    assert detector.detect(picture, max_labels=1000, min_confidence=100).labels in (
        (),
        tuple(label for label in everything if label.confidence == 100),
    )


def test_boxes_lie_inside_the_picture(detector: Detector, put: Put) -> None:
    """If there are any."""
    for content in (photo("rocket.jpg"), encode(small(9, 900), "PNG")):
        labels = detector.detect(put(content), max_labels=1000, min_confidence=0).labels
        for instance in (instance for label in labels for instance in label.instances):
            box = instance.bounding_box
            assert 0 <= instance.confidence <= 100
            assert 0 <= box.left < box.left + box.width <= 1
            assert 0 <= box.top < box.top + box.height <= 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_sizes_are_as_displayed(detector: Detector, put: Put, kind: str, orientation: int) -> None:
    """After the rotation by EXIF."""
    detection = detector.detect(put(turned(kind, orientation)), max_labels=1, min_confidence=0)
    size = (60, 90) if orientation >= 5 else (90, 60)
    assert (detection.width, detection.height) == size


@pytest.mark.parametrize(
    "content",
    [
        encode(small().convert("CMYK"), "JPEG"),
        encode(small().convert("L"), "JPEG"),
        encode(small(), "JPEG", progressive=True),
        encode(small(), "MPO", save_all=True, append_images=[small(9, 9)]),
        encode(small().convert("RGBA"), "PNG"),
        encode(small().convert("LA"), "PNG"),
        encode(small().convert("1"), "PNG"),
        encode(small().quantize(8), "PNG", transparency=1),
        encode(Image.new("I;16", (90, 60), 0x8000), "PNG"),
        encode(small(), "PNG", save_all=True, append_images=[small().rotate(90)]),
        photo("chessboard_RGB.png"),
        encode(small(1, 1), "PNG"),
        encode(small(1, 20_000), "PNG"),
        encode(small(20_000, 40), "JPEG"),
        encode(small(100, 10_000), "JPEG", quality=20),
    ],
    ids=[
        "CMYK", "grey JPEG", "progressive", "two in one", "RGBA", "LA", "bits", "palette",
        "grey of 16 bits", "animation", "colours of 16 bits", "one pixel", "strip", "wide", "high",
    ],
)  # fmt: skip
def test_all_kinds_of_jpeg_and_png_are_accepted(
    detector: Detector, put: Put, content: bytes
) -> None:
    size = Image.open(io.BytesIO(content)).size
    detection = detector.detect(put(content), max_labels=1, min_confidence=0)
    assert (detection.width, detection.height) == size


@pytest.mark.parametrize(
    ("content", "kind", "code", "message"),
    [
        (
            encode(small(), "PDF"),
            ImageType.JPEG,
            FailureCode.UNSUPPORTED_FORMAT,
            (
                "The file seems to be a PDF document. "
                "Save it as JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF or HEIC."
            ),
        ),
        (
            b"",
            ImageType.PNG,
            FailureCode.UNSUPPORTED_FORMAT,
            (
                "The file seems to be empty. "
                "Save it as JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF or HEIC."
            ),
        ),
        (
            encode(Image.new("1", (1001, 1000)), "PNG"),
            ImageType.PNG,
            FailureCode.TOO_MANY_PIXELS,
            (
                "The picture has 1,001 x 1,000 pixels, 1,001,000 in all; "
                "at most 1,000,000 are accepted."
            ),
        ),
    ],
)
def test_all_detectors_refuse_with_the_same_message(
    detector: Detector,
    put: Put,
    content: bytes,
    kind: ImageType,
    code: FailureCode,
    message: str,
) -> None:
    with pytest.raises(PictureRefused) as refused:
        detector.detect(put(content, kind), max_labels=1, min_confidence=0)
    assert (refused.value.code, refused.value.message) == (code, message)


@pytest.mark.parametrize("declared", ImageType)
def test_the_bytes_decide_on_the_type(detector: Detector, put: Put, declared: ImageType) -> None:
    """Whatever was declared; and the detection says what it is."""
    for content, kind in (
        (as_jpeg(photo("coffee.png")), ImageType.JPEG),
        (photo("coffee.png"), ImageType.PNG),
        (encode(small(), "WEBP"), ImageType.WEBP),
    ):
        detection = detector.detect(put(content, declared), max_labels=1, min_confidence=0)
        assert detection.content_type is kind


@pytest.mark.parametrize("share", [0.001, 0.01, 0.2, 0.5])
@pytest.mark.parametrize("name", ["chelsea.png", "rocket.jpg"])
def test_truncated_picture_is_refused_with_a_reason(
    detector: Detector, put: Put, name: str, share: float
) -> None:
    content = photo(name)[: int(len(photo(name)) * share)]
    with pytest.raises(PictureRefused, match=r"damaged|broken off") as refused:
        detector.detect(put(content), max_labels=1, min_confidence=0)
    assert refused.value.code == FailureCode.CORRUPT_IMAGE


def test_missing_bytes_raise_object_not_found(detector: Detector) -> None:
    """Neither a refusal nor an unavailable detector."""

    def gone() -> BinaryIO:
        raise ObjectNotFound("originals/anna/none")

    picture = Picture("originals/anna/none", ImageType.JPEG, gone)
    with pytest.raises(ObjectNotFound):
        detector.detect(picture, max_labels=1, min_confidence=0)


def test_threads_share_one_detector(detector: Detector, put: Put) -> None:
    """Concurrent calls return what single calls return."""
    pictures = [put(photo("chelsea.png")), put(photo("rocket.jpg")), put(turned("PNG", 6))] * 4

    def detect(picture: Picture) -> object:
        return detector.detect(picture, max_labels=10, min_confidence=1)

    alone = [detect(picture) for picture in pictures]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(detect, pictures)) == alone
