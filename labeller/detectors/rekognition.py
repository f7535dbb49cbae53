"""Detector that calls Amazon Rekognition.

Follows docs.aws.amazon.com: "DetectLabels" (Amazon Rekognition API reference), "Guidelines and
quotas in Amazon Rekognition", "Getting image orientation and bounding box coordinates".
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final

from core.backends.aws_errors import error_code, translated_errors
from core.domain.blob import FailureCode, ImageType
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable
from core.domain.label import BoundingBox, Detection
from labeller.detectors.base import DetectorUnusable
from labeller.detectors.rekognition_response import labels_in
from labeller.imaging.header import PREFIX_BYTES, require_pixels, require_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeller.detectors.base import Detector, Options, Picture
    from labeller.imaging.sources import Source

_NAME: Final = "rekognition"
# "15 MB" and "5 MB" in the documentation, in the smaller of the possible readings.
MAX_S3_BYTES: Final = 15_000_000  # of a picture that Rekognition reads from S3
MAX_INLINE_BYTES: Final = 5_000_000  # of a picture in the request
MIN_SIDE: Final = 80  # pixels
MAX_SIDE: Final = 10_000
# Converted pictures have this longer side at most: enough detail for labels, and few bytes.
MAX_CONVERTED_SIDE: Final = 4096
HEADER_BYTES: Final = 65_536
_WHOLE: Final = BoundingBox(0.0, 0.0, 1.0, 1.0)
_SMALL: Final = 1 / 8  # a side; a JPEG is decoded to it at once

_CONNECT_SECONDS: Final = 3
_READ_SECONDS: Final = 10
_ATTEMPTS: Final = 4
_CANNOT: Final = "The detector rekognition can't be used"
_SETUP: Final = (
    "Set AWS_REGION, and AWS_PROFILE or credentials that allow rekognition:DetectLabels."
)

# Why a picture is refused permanently, by Rekognition's error.
_REFUSALS: Final = {
    # The header is that of an ordinary JPEG or PNG, so the rest is invalid.
    "InvalidImageFormatException": (
        FailureCode.CORRUPT_IMAGE,
        "The picture can't be read: it is damaged, or a kind of {kind} that is not supported.",
    ),
    "ImageTooLargeException": (
        FailureCode.TOO_LARGE,
        "The picture is larger than can be labelled.",
    ),
    "InvalidParameterException": (
        FailureCode.UNSUPPORTED_FORMAT,
        "The picture can't be labelled as it is; save it again as an ordinary {kind}.",
    ),
}
_UNREADABLE: Final = "InvalidS3ObjectException"
# What the operator can do, by Rekognition's error.
_REMEDIES: Final = {
    "AccessDeniedException": "Check the labeller's role: it needs rekognition:DetectLabels.",
    _UNREADABLE: "Check the labeller's role and the bucket: Rekognition reads the object with that "
    "role, and only in its own region.",
}


class RekognitionDetector:
    """Labels each picture by one DetectLabels call.

    Rekognition reads a picture within its limits from the bucket, or from the request without a
    bucket. Any other picture is converted and sent in the request. Pictures of more than
    `max_bytes` or `max_pixels` are refused. Several threads may detect at the same time; one of
    them converts.
    """

    def __init__(self, client: Any, bucket: str | None, *, max_pixels: int, max_bytes: int) -> None:
        self._client = client
        self._bucket = bucket
        self._max_pixels = max_pixels
        self._max_bytes = max_bytes
        self._version: str | None = None
        self._converting = threading.Lock()

    @property
    def name(self) -> str:
        """The detector and its model's version, which is known after the first call."""
        return f"{_NAME}/{self._version}" if self._version else _NAME

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return the labels of a picture, as `Detector.detect` specifies."""
        size = self._size(picture)
        # They import libvips, which takes 0.1 s: not before the first picture.
        from labeller.imaging.convert import to_jpeg  # noqa: PLC0415

        kind, header = self._header(picture)
        if header and _is_supported(
            header, size, MAX_S3_BYTES if self._bucket else MAX_INLINE_BYTES
        ):
            image = self._unconverted(picture)
            width, height, area = header.width, header.height, _WHOLE
        else:
            # One at a time, as a decoded picture may take much of the memory.
            with self._converting, picture.open() as stream:
                converted = to_jpeg(
                    stream,
                    max_pixels=self._max_pixels,
                    max_bytes=MAX_INLINE_BYTES,
                    shortest=MIN_SIDE,
                    longest=MAX_CONVERTED_SIDE,
                )
            image = {"Bytes": converted.content}
            width, height, area = converted.width, converted.height, converted.place
        response = self._detect_labels(picture, kind, image, max_labels, min_confidence)
        self._version = response.get("LabelModelVersion", "unknown")
        return Detection(
            labels=labels_in(response, area, max_labels=max_labels, min_confidence=min_confidence),
            width=width,
            height=height,
            detector=self.name,
            content_type=kind,
        )

    def _unconverted(self, picture: Picture) -> dict[str, Any]:
        if self._bucket:
            return {"S3Object": {"Bucket": self._bucket, "Name": picture.key}}
        from labeller.imaging.decode import opened  # noqa: PLC0415  # as in detect

        with picture.open() as stream:
            content = stream.read()
            # Rekognition would label what is left of a damaged picture.
            with opened(stream, max_pixels=self._max_pixels) as source:
                source.decoded(_SMALL)
        return {"Bytes": content}

    def _size(self, picture: Picture) -> int:
        """Return the size in bytes, reading no more than the limit. Raises PictureRefused."""
        size = picture.size
        if size is None:
            size = len(picture.read_start(self._max_bytes + 1))
        if size > self._max_bytes:
            has = f"{size:,}" if picture.size is not None else f"more than {self._max_bytes:,}"
            raise PictureRefused(
                FailureCode.TOO_LARGE,
                f"The picture has {has} bytes; at most {self._max_bytes:,} are accepted.",
            )
        return size

    def _header(self, picture: Picture) -> tuple[ImageType, Source | None]:
        """Return the type, and the header of an ordinary JPEG or PNG. Raises PictureRefused."""
        from labeller.imaging.sources import everyday_header  # noqa: PLC0415  # as in detect

        start = picture.read_start(HEADER_BYTES)
        kind = require_type(start[:PREFIX_BYTES])
        header = everyday_header(start)
        if header is None and len(start) == HEADER_BYTES:
            with picture.open() as stream:  # for example after a large colour profile
                header = everyday_header(stream.read())
        if header:
            require_pixels(header.width, header.height, self._max_pixels)
        return kind, header

    def _detect_labels(
        self,
        picture: Picture,
        kind: ImageType,
        image: Mapping[str, Any],
        max_labels: int,
        min_confidence: float,
    ) -> dict[str, Any]:
        try:
            with translated_errors("Rekognition"):
                response: dict[str, Any] = self._client.detect_labels(
                    Image=image, MaxLabels=max_labels, MinConfidence=min_confidence
                )
        except Unavailable as error:
            cause = error.__cause__
            code = error_code(cause)
            if code in _REFUSALS:
                failure, template = _REFUSALS[code]
                message = template.format(kind=kind.name)
                raise PictureRefused(failure, message) from cause
            if code == _UNREADABLE and _is_missing(picture):
                raise ObjectNotFound(picture.key) from cause
            if code in _REMEDIES:
                raise Unavailable(f"{str(error).rstrip('.')}. {_REMEDIES[code]}") from cause
            raise
        return response


def make(options: Options) -> Detector:
    """Create the detector `rekognition` without a bucket, which sends pictures in the requests.

    Region and credentials come from the places that the AWS CLI uses.

    Raises:
        DetectorUnusable: they are missing.

    """
    if options.classifier:
        raise DetectorUnusable(
            f"{options.classifier} describes a classifier, which only the detector onnx can run. "
            "Choose onnx, or leave the classifier out."
        )
    # boto3 takes half a second to import, and detectors on this machine don't need it.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    try:
        # The AWS CLI reads this variable, boto3 doesn't.
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        found = session.get_credentials()
        client = session.client("rekognition", config=config)
    except BotoCoreError as error:  # no region, or an unknown profile
        reason = str(error).rstrip(".")
        raise DetectorUnusable(f"{_CANNOT}: {reason}. {_SETUP}") from error
    if found is None:
        raise DetectorUnusable(f"{_CANNOT}: no credentials. {_SETUP}")
    return RekognitionDetector(
        client, None, max_pixels=options.max_pixels, max_bytes=options.max_bytes
    )


def _is_supported(header: Source, size: int, max_bytes: int) -> bool:
    # Rekognition rotates JPEGs only: "Images in .png format don't contain Exif metadata".
    rotated_png = header.kind is ImageType.PNG and header.orientation != 1
    return (
        not rotated_png
        and size <= max_bytes
        and min(header.width, header.height) >= MIN_SIDE
        and max(header.width, header.height) <= MAX_SIDE
    )


def _is_missing(picture: Picture) -> bool:
    try:
        picture.read_start(1)
    except ObjectNotFound:
        return True
    return False
