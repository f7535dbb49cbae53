"""Opaque cursors of keyset paging: each belongs to one query of one owner. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING
from zlib import crc32

from core.domain.errors import InvalidCursor
from core.runtime.json import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from core.domain.pagination import Position


def encode_cursor(scope: Sequence[object], key: Position) -> str:
    """Write a cursor: the position `key` in the list that `scope` (query, owner, ...) names."""
    return encode_cursors(scope, [key])[0]


def encode_cursors(scope: Sequence[object], keys: Iterable[Position]) -> list[str]:
    """Write the cursors of several positions in one list."""
    named = _name(scope)
    return [_encode(named, write_json(key)) for key in keys]


def decode_cursor(scope: Sequence[object], cursor: str, shape: Sequence[type]) -> Position:
    """Read a cursor back into its key.

    Raises:
        InvalidCursor: it was not made by `encode_cursor` for the same scope, or its key does
            not have the types that `shape` names.

    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        mark, *key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error, RecursionError) as exc:
        raise InvalidCursor from exc
    if mark != _mark(_name(scope), write_json(key)) or [type(part) for part in key] != list(shape):
        raise InvalidCursor
    return tuple(key)


def _name(scope: Sequence[object]) -> int:
    return crc32(json.dumps(scope, default=str).encode())


def _encode(named: int, key: bytes) -> str:
    text = b"[%d,%b" % (_mark(named, key), key[1:])  # the mark is the first of the key's list
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _mark(named: int, key: bytes) -> int:
    # The store scopes every query by owner anyway; the mark is for clear errors, not for secrecy.
    return crc32(key, named)
