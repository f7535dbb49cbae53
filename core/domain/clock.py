"""Time and ids: both are handed in, so that tests can set them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_ID_LENGTH = 26
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """Return the time now, in UTC, to the millisecond (what records keep)."""
    return to_millisecond(datetime.now(UTC))


def to_millisecond(moment: datetime) -> datetime:
    """Drop what is finer than a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def to_text(moment: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC with milliseconds: texts sort as times do."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"  # in place of "+00:00"


def from_text(text: str) -> datetime:
    """Read what `to_text` wrote."""
    return datetime.fromisoformat(text)


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since 1970 in UTC."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_epoch_ms(milliseconds: int) -> datetime:
    """Read what `epoch_ms` gave."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def new_id(moment: datetime) -> str:
    """Make a ULID: 26 characters, ordered by `moment`, 80 random bits (github.com/ulid/spec)."""
    return ulid_floor(moment)[:10] + _base32(secrets.randbits(80), 16)


def derive_id(moment: datetime, seed: bytes) -> str:
    """Make the id that `new_id` might have made at that moment: the same for the same seed."""
    digest = hashlib.sha256(seed).digest()
    return ulid_floor(moment)[:10] + _base32(int.from_bytes(digest[:10], "big"), 16)


def ulid_floor(moment: datetime) -> str:
    """Return the smallest ULID of that millisecond: a bound for ranges of ids by time."""
    return _base32(max(0, epoch_ms(moment)), 10) + "0" * 16


def is_id(text: str) -> bool:
    """Tell whether the text has the form of an id."""
    return len(text) == _ID_LENGTH and all(c in _CROCKFORD for c in text)


def _base32(number: int, length: int) -> str:
    return "".join(_CROCKFORD[(number >> 5 * place) & 31] for place in reversed(range(length)))
