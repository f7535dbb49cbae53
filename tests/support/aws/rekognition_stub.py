"""A stubbed Rekognition client, and pictures as the detector gets them."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import boto3
import numpy as np
import pytest
from botocore.stub import ANY, Stubber
from PIL import Image

from core.domain.blob import ImageType
from core.domain.errors import PictureRefused
from core.domain.label import BoundingBox, Detection
from labeller.detectors.base import Picture
from labeller.detectors.rekognition import MAX_CONVERTED_SIDE, MAX_INLINE_BYTES, RekognitionDetector
from tests.support.images.photos import photo

BUCKET = "pictures"
KEY = "originals/anna/01ARYZ"
WHOLE = BoundingBox(0, 0, 1, 1)
EVENTS = Path(__file__).parents[2] / "events"


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
