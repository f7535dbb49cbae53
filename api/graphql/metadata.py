"""The GraphQL types of metadata, and the descriptions of a client's facts."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from collections.abc import Sequence
from typing import Final

import strawberry

from core.domain.facts import (
    MAX_EXTERNAL_ID,
    MAX_FILE_NAME,
    MAX_KEY,
    MAX_METADATA,
    MAX_PAIRS,
    MAX_VALUE,
)

FILE_NAME: Final = (
    f"Name of the image's file, without folders: 1 to {MAX_FILE_NAME} characters. Its download "
    "has this name."
)
EXTERNAL_ID: Final = (
    f"Your own id of the image: 1 to {MAX_EXTERNAL_ID} characters. No other blob of yours can "
    "have the same."
)
METADATA: Final = (
    f"Your own facts about the image: at most {MAX_PAIRS} pairs with different keys, of "
    f"{MAX_METADATA} bytes in all."
)


@strawberry.type(description="One of your own facts about an image.")
class MetadataEntry:
    key: str = strawberry.field(description="What the fact is. Example: `album`.")
    value: str = strawberry.field(description="Its value. Example: `Holidays 2026`.")


@strawberry.input(
    description="One of your own facts about an image. No text has control characters. Example: "
    '`{key: "album", value: "Holidays 2026"}`.'
)
class MetadataEntryInput:
    key: str = strawberry.field(description=f"What the fact is: 1 to {MAX_KEY} characters.")
    value: str = strawberry.field(description=f"Its value: 1 to {MAX_VALUE} characters.")


def pairs_of(entries: Sequence[MetadataEntryInput] | None) -> tuple[tuple[str, str], ...]:
    """Return entries as the domain knows them."""
    return tuple((each.key, each.value) for each in entries or ())
