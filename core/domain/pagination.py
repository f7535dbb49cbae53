"""Keyset paging: opaque cursors that belong to one query of one owner. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar
from zlib import crc32

from core.domain.errors import InvalidCursor, InvalidValue
from core.runtime.json import write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")
U = TypeVar("U")
Key = tuple[str | float, ...]

MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list: items, and whether more follow.

    Where looking for them was broken off, more may follow or not, and `reached` is what the next
    page goes on behind; else that is the last item.
    """

    items: tuple[T, ...]
    has_next: bool
    reached: str | None = None

    def map(self, change: Callable[[T], U]) -> Page[U]:
        """Return the same page of changed items."""
        return Page(tuple(change(item) for item in self.items), self.has_next, self.reached)


def check_first(first: int) -> int:
    """Return `first` when it is a page size we serve, 1 to MAX_PAGE; else raise InvalidValue."""
    if not 1 <= first <= MAX_PAGE:
        raise InvalidValue("first", f"must be from 1 to {MAX_PAGE}, not {first}")
    return first


def page_of(found: Sequence[T], first: int) -> Page[T]:
    """Cut a list read with limit `first + 1` to a page of `first`."""
    return Page(tuple(found[:first]), len(found) > first)


def encode_cursor(scope: Sequence[object], key: Key) -> str:
    """Write a cursor: the position `key` in the list that `scope` (query, owner, ...) names."""
    return encode_cursors(scope, [key])[0]


def encode_cursors(scope: Sequence[object], keys: Iterable[Key]) -> list[str]:
    """Write the cursors of several positions in one list."""
    named = _name(scope)
    texts = (write_json([_mark(named, key), *key]) for key in keys)
    return [base64.urlsafe_b64encode(text).decode().rstrip("=") for text in texts]


def decode_cursor(scope: Sequence[object], cursor: str, shape: Sequence[type]) -> Key:
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
    if mark != _mark(_name(scope), key) or [type(part) for part in key] != list(shape):
        raise InvalidCursor
    return tuple(key)


def _name(scope: Sequence[object]) -> int:
    return crc32(json.dumps(scope, default=str).encode())


def _mark(named: int, key: Sequence[object]) -> int:
    # The store scopes every query by owner anyway; the mark is for clear errors, not for secrecy.
    return crc32(write_json(key), named)
