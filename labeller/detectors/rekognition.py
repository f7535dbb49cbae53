"""The detector that asks Amazon Rekognition.

Follows docs.aws.amazon.com: "DetectLabels" (Amazon Rekognition API reference), "Guidelines and
quotas in Amazon Rekognition", "Getting image orientation and bounding box coordinates".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from core.backends.aws_errors import error_code, unavailable
from core.domain.blob import BoundingBox, Detection, FailureCode, ImageType, Instance, Label
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable
from labeller.detectors.base import DetectorUnusable
from labeller.imaging.header import PREFIX_BYTES, require_pixels, require_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeller.detectors.base import Detector, Options, Picture
    from labeller.imaging.sources import Source

_NAME: Final = "rekognition"
# "15 MB" and "5 MB", read as the smaller of what that may mean.
MAX_STORED: Final = 15_000_000  # bytes of a picture that Rekognition reads from S3 itself
MAX_SENT: Final = 5_000_000  # bytes of one that is sent along
SHORTEST: Final = 80  # pixels a side
LONGEST: Final = 10_000
# What is sent is resized to this: more detail than labels need, and few enough bytes.
LONGEST_SENT: Final = 4096
HEADER_BYTES: Final = 65_536
_WHOLE: Final = BoundingBox(0.0, 0.0, 1.0, 1.0)

_CONNECT_SECONDS: Final = 3
_READ_SECONDS: Final = 10
_ATTEMPTS: Final = 4
_CANNOT: Final = "The detector rekognition can't be used"
_SETUP: Final = (
    "Set AWS_REGION, and AWS_PROFILE or credentials that allow rekognition:DetectLabels."
)

# Why a picture is refused for good, by the error that says so.
_REFUSALS: Final = {
    # What is sent begins as a JPEG or PNG of an ordinary kind; so it's the rest that is wrong.
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
# What the operator can do, by the error that asks for it.
_REMEDIES: Final = {
    "AccessDeniedException": "Look at the labeller's role: it needs rekognition:DetectLabels.",
    _UNREADABLE: "Look at the labeller's role and at the bucket: Rekognition reads the object in "
    "that role's name, and only in its own region.",
}


class RekognitionDetector:
    """Has Rekognition label pictures: one DetectLabels call each.

    A picture within Rekognition's limits is read by it from the bucket, or sent along where there
    is no bucket; any other is converted and sent along. Pictures of more than `max_bytes` or
    `max_pixels` are refused.
    """

    def __init__(self, client: Any, bucket: str | None, *, max_pixels: int, max_bytes: int) -> None:
        self._client = client
        self._bucket = bucket
        self._max_pixels = max_pixels
        self._max_bytes = max_bytes
        self._version: str | None = None

    @property
    def name(self) -> str:
        """The detector and the version of its model, which is known from its last answer."""
        return f"{_NAME}/{self._version}" if self._version else _NAME

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return what is seen in the picture, as the port promises."""
        size = self._size(picture)
        # libvips takes 0.1 s, for which a container need not wait before its first picture.
        from labeller.imaging.convert import to_jpeg  # noqa: PLC0415

        kind, header = self._header(picture)
        if header and _can_be_read(header, size, MAX_STORED if self._bucket else MAX_SENT):
            image = self._as_it_is(picture)
            width, height, place = header.width, header.height, _WHOLE
        else:
            with picture.open() as stream:
                converted = to_jpeg(
                    stream,
                    max_pixels=self._max_pixels,
                    max_bytes=MAX_SENT,
                    shortest=SHORTEST,
                    longest=LONGEST_SENT,
                )
            image = {"Bytes": converted.content}
            width, height, place = converted.width, converted.height, converted.place
        answer = self._ask(picture, kind, image, max_labels, min_confidence)
        self._version = answer.get("LabelModelVersion", "unknown")
        return Detection(
            labels=labels_in(answer, place, max_labels=max_labels, min_confidence=min_confidence),
            width=width,
            height=height,
            detector=self.name,
            content_type=kind,
        )

    def _as_it_is(self, picture: Picture) -> dict[str, Any]:
        if self._bucket:
            return {"S3Object": {"Bucket": self._bucket, "Name": picture.key}}
        with picture.open() as stream:
            return {"Bytes": stream.read()}

    def _size(self, picture: Picture) -> int:
        """Return the size in bytes, without reading more than the limit. Raises PictureRefused."""
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
        """Read the type, and the header where it is an everyday one. Raises PictureRefused."""
        from labeller.imaging.sources import everyday_header  # noqa: PLC0415  # as in detect

        start = picture.read_start(HEADER_BYTES)
        kind = require_type(start[:PREFIX_BYTES])
        header = everyday_header(start)
        if header is None and len(start) == HEADER_BYTES:
            with picture.open() as stream:  # behind a large colour profile, say
                header = everyday_header(stream.read())
        if header:
            require_pixels(header.width, header.height, self._max_pixels)
        return kind, header

    def _ask(
        self,
        picture: Picture,
        kind: ImageType,
        image: Mapping[str, Any],
        max_labels: int,
        min_confidence: float,
    ) -> dict[str, Any]:
        try:
            with unavailable("Rekognition"):
                answer: dict[str, Any] = self._client.detect_labels(
                    Image=image, MaxLabels=max_labels, MinConfidence=min_confidence
                )
        except Unavailable as trouble:
            cause = trouble.__cause__
            code = error_code(cause)
            if code in _REFUSALS:
                failure, words = _REFUSALS[code]
                message = words.format(kind=kind.name)
                raise PictureRefused(failure, message) from cause
            if code == _UNREADABLE and _is_gone(picture):
                raise ObjectNotFound(picture.key) from cause
            if code in _REMEDIES:
                raise Unavailable(f"{str(trouble).rstrip('.')}. {_REMEDIES[code]}") from cause
            raise
        return answer


def make(options: Options) -> Detector:
    """Make the detector that `rekognition` stands for where no bucket is: pictures are sent along.

    Region and credentials are looked for where the AWS CLI does.

    Raises:
        DetectorUnusable: there are none.

    """
    if options.classifier:
        raise DetectorUnusable(
            f"{options.classifier} describes a classifier, which the detector onnx can run; "
            "rekognition has no use for it."
        )
    import boto3  # noqa: PLC0415  # not for who labels here
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    try:
        # The AWS CLI knows this variable, boto3 doesn't.
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        found = session.get_credentials()
        client = session.client("rekognition", config=config)
    except BotoCoreError as error:  # no region, or a profile that isn't there
        reason = str(error).rstrip(".")
        raise DetectorUnusable(f"{_CANNOT}: {reason}. {_SETUP}") from error
    if found is None:
        raise DetectorUnusable(f"{_CANNOT}: no credentials. {_SETUP}")
    return RekognitionDetector(
        client, None, max_pixels=options.max_pixels, max_bytes=options.max_bytes
    )


def labels_in(
    answer: Mapping[str, Any],
    place: BoundingBox,
    *,
    max_labels: int,
    min_confidence: float,
) -> tuple[Label, ...]:
    """Read the labels of an answer to DetectLabels, most confident first, ties by name.

    `place` is the part of what was looked at that the picture fills: boxes are told as shares of
    that, and those outside it are dropped.
    """
    labels = [_label(told, place) for told in answer.get("Labels", ())]
    found: dict[str, Label] = {}
    for label in sorted(labels, key=lambda label: (-label.confidence, label.name)):
        if label.confidence >= min_confidence:
            found.setdefault(label.name.casefold(), label)
    return tuple(found.values())[:max_labels]


def _label(told: Mapping[str, Any], place: BoundingBox) -> Label:
    return Label(
        name=told["Name"],
        confidence=_per_cent(told["Confidence"]),
        parents=_names(told, "Parents"),
        instances=tuple(
            Instance(box, _per_cent(instance.get("Confidence", told["Confidence"])))
            for instance in told.get("Instances", ())
            if (box := _box_in(place, instance["BoundingBox"]))
        ),
        aliases=_names(told, "Aliases"),
        categories=_names(told, "Categories"),
    )


def _can_be_read(header: Source, size: int, most: int) -> bool:
    # Rekognition turns JPEGs alone: "Images in .png format don't contain Exif metadata".
    turned_png = header.kind is ImageType.PNG and header.orientation != 1
    return (
        not turned_png
        and size <= most
        and min(header.width, header.height) >= SHORTEST
        and max(header.width, header.height) <= LONGEST
    )


def _is_gone(picture: Picture) -> bool:
    try:
        picture.read_start(1)
    except ObjectNotFound:
        return True
    return False


def _names(told: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    return tuple(each["Name"] for each in told.get(kind, ()))


def _per_cent(confidence: float) -> float:
    return min(max(float(confidence), 0.0), 100.0)


def _box_in(place: BoundingBox, told: Mapping[str, float]) -> BoundingBox | None:
    """Give a box as shares of a place, cut to it: Rekognition's may reach beyond the edges."""
    left, right = _shares(told["Left"], told["Width"], place.left, place.width)
    top, bottom = _shares(told["Top"], told["Height"], place.top, place.height)
    if right <= left or bottom <= top:
        return None
    return BoundingBox(left, top, right - left, bottom - top)


def _shares(start: float, length: float, origin: float, whole: float) -> tuple[float, float]:
    """Return both ends as shares of the part that begins at `origin`, cut to 0 to 1."""
    ends = ((start - origin) / whole, (start + length - origin) / whole)
    return min(max(ends[0], 0.0), 1.0), min(max(ends[1], 0.0), 1.0)
