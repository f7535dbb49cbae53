"""Labels of a picture, as a detector returns them. Pure."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from core.domain.errors import InvalidValue

if TYPE_CHECKING:
    from datetime import datetime

# Labels of a picture. The counts of its old and new labels are written in one DynamoDB transaction.
MAX_LABELS: Final = 40
MAX_NAME: Final = 100  # characters of a label's name


class LabelSource(StrEnum):
    """Who says that a picture has a label: the detector, or the picture's owner."""

    DETECTOR = "DETECTOR"
    OWNER = "OWNER"


@dataclass(frozen=True, slots=True)
class BoundingBox:
    """A box in a picture; each number is a fraction of the picture's width or height, 0 to 1."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Instance:
    """One occurrence of a label's object in the picture. `confidence` is 0 to 100."""

    bounding_box: BoundingBox
    confidence: float


@dataclass(frozen=True, slots=True)
class Label:
    """An object or concept in a picture, in the form of Rekognition's DetectLabels.

    `confidence` is 0 to 100; `parents` are all its ancestors, nearest first; `aliases` are other
    names for it; `categories` are the subjects that it belongs to ("Animals and Pets").
    `confirmed_at` is when the picture's owner added or confirmed it.
    """

    name: str
    confidence: float
    parents: tuple[str, ...] = ()
    instances: tuple[Instance, ...] = ()
    aliases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    source: LabelSource = LabelSource.DETECTOR
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Embedding:
    """Two vectors of a picture, of signed bytes. Pictures that look alike have similar ones.

    `features` are those of a network, about what is in the picture. `outline` is where the picture
    is light and dark, at a very small size; it changes little with size and quality. `network` is
    the network's name and version: only embeddings of the same network can be compared.
    """

    network: str
    features: bytes
    outline: bytes


@dataclass(frozen=True, slots=True)
class Detection:
    """The result of a detector. Labels are most confident first; sizes are pixels as displayed.

    `content_type` is the media type that the bytes have; None if the detector does not tell it.
    `embedding` is None if the detector has none.
    """

    labels: tuple[Label, ...]
    width: int
    height: int
    detector: str
    content_type: str | None = None
    embedding: Embedding | None = None


def read_name(name: str) -> str:
    """Return a label's name as it is stored: in Unicode's form NFC, without spaces around it.

    Raises InvalidValue if it is empty, too long or not printable.
    """
    text = unicodedata.normalize("NFC", name).strip()
    if not text.isprintable():
        raise InvalidValue("name", "must have printable characters only")
    if not 1 <= len(text) <= MAX_NAME:
        raise InvalidValue("name", f"must have 1 to {MAX_NAME} characters")
    return text
