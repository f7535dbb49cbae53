"""Suggests an image type to clients that send its media type."""

from __future__ import annotations

import re
from typing import Final

from core.domain.blob import ImageType

_IMAGE_TYPES: Final = {each.value: each.name for each in ImageType} | {
    "image/jpg": "JPEG",
    "image/heif": "HEIC",
}
# Messages of graphql-core about a variable and about a literal.
_WRONG: Final = re.compile(
    r"(?:Value '(?P<variable>[^']*)' does not exist in 'ImageType' enum\."
    r"|Enum 'ImageType' cannot represent non-enum value: \"(?P<literal>[^\"]*)\"\.)$"
)


def with_image_type(message: str) -> str:
    """Return a message of validation; one about a media type ends with the image type to send."""
    found = _WRONG.search(message)
    name = found and _IMAGE_TYPES.get((found["variable"] or found["literal"] or "").lower())
    return f"{message} Did you mean the enum value '{name}'?" if name else message
