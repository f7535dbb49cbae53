"""What a key or a token opens. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """A part of what an owner may do; each is granted by itself."""

    READ = "read"  # blobs, labels, webhooks: look at them
    UPLOAD = "upload"  # and promise, renew, relabel and delete them
    ADMIN = "admin"  # webhook secrets and endpoints


EVERYTHING: Final = frozenset(Scope)
