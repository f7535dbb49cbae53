"""What the key of an object in the inbox says: its owner, or why it becomes no blob. Pure."""

from __future__ import annotations

from typing import Final

from core.domain.errors import LabellingError
from core.domain.owner import MAX_OWNER, is_owner_name

INBOX: Final = "inbox/"
REJECTED: Final = "rejected/"
MAX_KEY_BYTES: Final = 1024  # Amazon S3 User Guide: "Naming Amazon S3 objects"
# What desktops keep beside pictures; case differs between systems.
_CLUTTER: Final = frozenset(
    {".ds_store", ".directory", ".localized", "desktop.ini", "ehthumbs.db", "icon\r", "thumbs.db"}
)
_APPLE_DOUBLE: Final = "._"  # RFC 1740: what macOS adds to a file on other file systems
_APPLE_ARCHIVE: Final = "__MACOSX"


class RejectedKey(LabellingError):
    """The key names no owner; the ASCII message states the remedy."""


def is_inbox_key(key: str) -> bool:
    """Tell whether an object lies in the inbox."""
    return key.startswith(INBOX)


def is_clutter(key: str, size: int | None) -> bool:
    """Tell whether an object is an empty folder object, or a file that a desktop adds.

    S3's console creates the empty objects.
    """
    *folders, name = key.split("/")
    if not name:
        return not size
    return (
        name.casefold() in _CLUTTER or name.startswith(_APPLE_DOUBLE) or _APPLE_ARCHIVE in folders
    )


def inbox_owner(key: str) -> str:
    """Return the owner of `inbox/<owner>/<any name>`. Raises RejectedKey.

    S3 gives empty, "." and ".." parts of a name no meaning.
    """
    owner, slash, _ = key.removeprefix(INBOX).partition("/")
    if not slash:
        raise RejectedKey(f"The key names no owner. Put the object under {INBOX}<owner>/.")
    if not is_owner_name(owner):
        raise RejectedKey(
            f"The owner in the key can't be one: it has 1 to {MAX_OWNER} bytes, is printable, and "
            f'is not "." or "..". Put the object under {INBOX}<owner>/ of such an owner.'
        )
    return owner


def rejected_key(key: str) -> str:
    """Return where a rejected object moves to; the end of a very long key is cut off."""
    name = key.removeprefix(INBOX).encode("utf-8", "surrogatepass")
    return REJECTED + name[: MAX_KEY_BYTES - len(REJECTED)].decode("utf-8", "ignore")
