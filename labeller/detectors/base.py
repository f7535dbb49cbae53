"""The detector port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.domain.blob import ImageType
    from core.domain.label import Detection


class DetectorUnusable(LabellingError):
    """There is no such detector, or it can't be made as the service is set up."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a detector may need to know to be made.

    Pictures of more than `max_pixels`, or `max_bytes`, are to be refused. `faces` says whether
    people are to be found by their faces too. `classifier` is the TOML file that the operator gave,
    if any; `model` is the file of the model that comes with the service, where it is there.
    """

    max_pixels: int
    max_bytes: int
    faces: bool = False
    classifier: Path | None = None
    model: Path | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to look at: where its bytes lie and what they were declared to be.

    `open` gives a new seekable binary stream each time; whoever calls it closes the stream.
    `size` is in bytes, None where it is not known beforehand.
    """

    key: str
    content_type: ImageType
    open: Callable[[], BinaryIO]
    size: int | None = None
    open_start: Callable[[int], bytes] | None = None

    def read_start(self, length: int) -> bytes:
        """Return the first bytes, without reading all of them where the store can."""
        if self.open_start is not None:
            return self.open_start(length)
        with self.open() as stream:
            return stream.read(length)


class Detector(Protocol):
    """Sees labels in pictures. Safe to call from several threads at once."""

    @property
    def name(self) -> str:
        """The detector and its version, as kept with the labels."""

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return at most `max_labels` labels of at least `min_confidence` (0 to 100).

        Most confident first, ties always in the same order. An empty list means that nothing was
        found.

        Raises:
            PictureRefused: the picture itself can't be labelled; trying again is no use.
            ObjectNotFound: its bytes are gone.
            Unavailable: the detector can't answer now.

        """
        ...
