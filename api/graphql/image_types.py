"""The types of images in GraphQL."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from enum import Enum
from typing import Final

import strawberry

from core.domain import blob as domain


@strawberry.enum(description="Image types that can be uploaded.")
class ImageType(Enum):
    """The type of an image, by its name."""

    JPEG = domain.ImageType.JPEG
    PNG = domain.ImageType.PNG
    WEBP = domain.ImageType.WEBP
    GIF = domain.ImageType.GIF
    TIFF = domain.ImageType.TIFF
    BMP = domain.ImageType.BMP
    AVIF = domain.ImageType.AVIF
    HEIC = domain.ImageType.HEIC


IMAGE_TYPES: Final = {each.value: each for each in ImageType}
