"""The detector that asks Amazon Rekognition.

Follows docs.aws.amazon.com: "DetectLabels" (Amazon Rekognition API reference), "Guidelines and
quotas in Amazon Rekognition", "Getting image orientation and bounding box coordinates".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from catalogue.aws import error_code, unavailable
from catalogue.blob import BoundingBox, Detection, FailureCode, ImageType, Instance, Label
from catalogue.errors import OriginalNotFound, PictureRefused, Unavailable
from labeller.header import PREFIX_BYTES, Header, read_header, require_pixels, require_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labeller.detectors.base import Picture

MAX_STORED: Final = 15_000_000  # bytes of a picture that Rekognition reads from S3 itself
MAX_SENT: Final = 5_000_000  # bytes of one that is sent along
SHORTEST: Final = 80  # pixels a side
LONGEST: Final = 10_000
# What is sent is resized to this: more detail than labels need, and few enough bytes.
LONGEST_SENT: Final = 4096
HEADER_BYTES: Final = 65_536

# Why a picture is refused for good, by the error that says so.
_REFUSALS: Final = {
    "InvalidImageFormatException": (
        FailureCode.CORRUPT_IMAGE,
        "The picture can't be read: it is damaged, or a kind of {kind} that is not supported.",
    ),
    "ImageTooLargeException": (
        FailureCode.TOO_LARGE,
        "The picture is larger than can be labelled.",
    ),
    "InvalidParameterException": (
        FailureCode.CORRUPT_IMAGE,
        "The picture can't be labelled as it is; save it again as an ordinary {kind}.",
    ),
}


class RekognitionDetector:
    """Has Rekognition label pictures of one bucket: one DetectLabels call each.

    A picture within Rekognition's limits is read by it from the bucket; any other is converted
    and sent along. Pictures of more than `max_bytes` or `max_pixels` are refused.
    """

    def __init__(self, client: Any, bucket: str, *, max_pixels: int, max_bytes: int) -> None:
        self._client = client
        self._bucket = bucket
        self._max_pixels = max_pixels
        self._max_bytes = max_bytes

    @property
    def name(self) -> str:
        """The detector; the version of its model is told with each detection."""
        return "rekognition"

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return what is seen in the picture, as the port promises."""
        if picture.size is not None and picture.size > self._max_bytes:
            raise PictureRefused(
                FailureCode.TOO_LARGE,
                f"The picture has {picture.size:,} bytes; "
                f"at most {self._max_bytes:,} are accepted.",
            )
        header = self._header(picture)
        if header and _can_be_read_there(header, picture.size):
            image: dict[str, Any] = {"S3Object": {"Bucket": self._bucket, "Name": picture.key}}
            width, height, boxed = header.width, header.height, _inside
        else:
            # It needs Pillow, which most pictures do without.
            from labeller.convert import to_jpeg  # noqa: PLC0415

            with picture.open() as stream:
                converted = to_jpeg(
                    stream,
                    picture.content_type,
                    max_pixels=self._max_pixels,
                    max_bytes=MAX_SENT,
                    shortest=SHORTEST,
                    longest=LONGEST_SENT,
                )
            image = {"Bytes": converted.content}
            width, height, boxed = converted.width, converted.height, converted.original_box
        answer = self._ask(picture, image, max_labels, min_confidence)
        return Detection(
            labels=labels_in(answer, boxed, max_labels=max_labels, min_confidence=min_confidence),
            width=width,
            height=height,
            detector=f"{self.name}/{answer.get('LabelModelVersion', 'unknown')}",
        )

    def _header(self, picture: Picture) -> Header | None:
        """Read the header; None for one that only a decoder may make out. Raises PictureRefused."""
        start = picture.read_start(HEADER_BYTES)
        require_type(start[:PREFIX_BYTES], picture.content_type)
        header = read_header(start)
        if header is None and len(start) == HEADER_BYTES:
            with picture.open() as stream:  # behind a large thumbnail or colour profile
                header = read_header(stream.read())
        if header:
            require_pixels(header.width, header.height, self._max_pixels)
        return header

    def _ask(
        self, picture: Picture, image: Mapping[str, Any], max_labels: int, min_confidence: float
    ) -> dict[str, Any]:
        try:
            with unavailable("Rekognition"):
                answer: dict[str, Any] = self._client.detect_labels(
                    Image=image, MaxLabels=max_labels, MinConfidence=min_confidence
                )
        except Unavailable as trouble:
            code = error_code(trouble.__cause__)
            if code in _REFUSALS:
                failure, words = _REFUSALS[code]
                message = words.format(kind=picture.content_type.name)
                raise PictureRefused(failure, message) from trouble.__cause__
            if code == "InvalidS3ObjectException" and _is_gone(picture):
                raise OriginalNotFound(picture.key) from trouble.__cause__
            raise
        return answer


def labels_in(
    answer: Mapping[str, Any],
    boxed: Callable[[BoundingBox], BoundingBox | None],
    *,
    max_labels: int,
    min_confidence: float,
) -> tuple[Label, ...]:
    """Read the labels of an answer to DetectLabels, most confident first, ties by name.

    `boxed` changes boxes of the picture sent to boxes of the original; None drops one.
    """
    found: dict[str, Label] = {}
    for told in answer.get("Labels", ()):
        label = Label(
            name=told["Name"],
            confidence=_per_cent(told["Confidence"]),
            parents=_names(told, "Parents"),
            instances=tuple(
                Instance(box, _per_cent(instance.get("Confidence", told["Confidence"])))
                for instance in told.get("Instances", ())
                if (box := boxed(_box(instance["BoundingBox"])))
            ),
            aliases=_names(told, "Aliases"),
            categories=_names(told, "Categories"),
        )
        found.setdefault(label.name.casefold(), label)
    sure = [label for label in found.values() if label.confidence >= min_confidence]
    return tuple(sorted(sure, key=lambda label: (-label.confidence, label.name))[:max_labels])


def _can_be_read_there(header: Header, size: int | None) -> bool:
    turned_png = header.kind is ImageType.PNG and header.orientation != 1  # turns JPEGs alone
    return (
        header.everyday
        and not turned_png
        and size is not None
        and size <= MAX_STORED
        and min(header.width, header.height) >= SHORTEST
        and max(header.width, header.height) <= LONGEST
    )


def _is_gone(picture: Picture) -> bool:
    try:
        picture.read_start(1)
    except OriginalNotFound:
        return True
    return False


def _names(told: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    return tuple(each["Name"] for each in told.get(kind, ()))


def _per_cent(confidence: float) -> float:
    return min(max(float(confidence), 0.0), 100.0)


def _box(told: Mapping[str, float]) -> BoundingBox:
    return BoundingBox(*(float(told[side]) for side in ("Left", "Top", "Width", "Height")))


def _inside(box: BoundingBox) -> BoundingBox | None:
    """Cut a box to the picture: Rekognition's may reach a little beyond its edges."""
    left, top = max(box.left, 0.0), max(box.top, 0.0)
    right, bottom = min(box.left + box.width, 1.0), min(box.top + box.height, 1.0)
    if right <= left or bottom <= top:
        return None
    return BoundingBox(left, top, right - left, bottom - top)
