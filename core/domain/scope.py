"""What a key or a token opens. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """A part of what an owner may do; each is granted by itself."""

    READ = "read"  # look at blobs, labels and webhooks
    UPLOAD = "upload"  # send pictures; with READ also relabel, delete and redeliver
    ADMIN = "admin"  # webhook secrets and endpoints


ALL_SCOPES: Final = frozenset(Scope)
