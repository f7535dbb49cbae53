"""The detector port: finds labels in pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from core.domain.blob import ImageType
    from core.domain.label import Detection


class DetectorUnusable(LabellingError):
    """The chosen detector doesn't exist, or can't run with the service's settings."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options that a detector is created with.

    It must refuse pictures of more than `max_pixels` or `max_bytes`. `faces` says whether it also
    finds people and their faces. `classifier` is the operator's TOML file, if there is one. `model`
    and `people_model` are the files of the models that come with the service, where they exist.
    """

    max_pixels: int
    max_bytes: int
    faces: bool = False
    classifier: Path | None = None
    model: Path | None = None
    people_model: Path | None = None


# The options that are paths, as their names in `Options`.
PATHS: Final = ("classifier", "model", "people_model")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to label: its object key, its declared content type and access to its bytes.

    `open` returns a new seekable binary stream, which the caller closes. `size` is in bytes, or
    None if it is unknown. `open_start` returns the first bytes without reading all of them, where
    the storage supports that.
    """

    key: str
    content_type: ImageType
    open: Callable[[], BinaryIO]
    size: int | None = None
    open_start: Callable[[int], bytes] | None = None

    def read_start(self, length: int) -> bytes:
        """Return the first bytes, without reading all of them where the storage supports that."""
        if self.open_start is not None:
            return self.open_start(length)
        with self.open() as stream:
            return stream.read(length)


class Detector(Protocol):
    """Finds labels in pictures. Safe to call from several threads at once."""

    @property
    def name(self) -> str:
        """The detector and its version, which are stored with the labels."""

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return at most `max_labels` labels of at least `min_confidence` (0 to 100).

        They are sorted by confidence, highest first, and ties always in the same order. No labels
        means that nothing was found.

        Raises:
            PictureRefused: the picture itself can't be labelled; a retry would not help.
            ObjectNotFound: its bytes are gone.
            Unavailable: the detector can't work now; a retry may help.

        """
        ...
