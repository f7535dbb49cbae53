"""API keys: random bytes that are shown once and stored as a hash. Pure."""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

KEY_PREFIX: Final = "lbl_"


def new_key() -> str:
    """Return a new API key: 32 random bytes after a prefix that secret scanners recognise."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """Return the SHA-256 (hex) under which a key is stored. A random key needs no salt."""
    return hashlib.sha256(key.encode()).hexdigest()


def id_of_key(key_hash: str) -> str:
    """Return the id of a key, by which people and the audit log know it: the start of its hash."""
    return key_hash[:12]
