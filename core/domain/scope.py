"""Scopes of API keys and tokens. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """A set of operations. Scopes are granted separately: none includes another."""

    READ = "read"  # read blobs, labels and webhooks
    UPLOAD = "upload"  # upload pictures; together with READ also relabel, delete and redeliver
    ADMIN = "admin"  # manage webhook secrets and endpoints


ALL_SCOPES: Final = frozenset(Scope)
