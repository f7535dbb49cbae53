"""Small images of pictures: their sizes. Pure."""

from __future__ import annotations

from enum import StrEnum


class ThumbnailSize(StrEnum):
    """A size of an image that is made of a picture: for lists, or in place of the picture."""

    SMALL = "small"
    LARGE = "large"

    @property
    def side(self) -> int:
        """The pixels of the longer side, at most."""
        return 320 if self is ThumbnailSize.SMALL else 2048
