"""Times, and ids that sort by time. Callers pass times in, so that tests can set them. Pure."""

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
    """Return the current time in UTC, to the millisecond, which is the precision of records."""
    return to_millisecond(datetime.now(UTC))


def to_millisecond(moment: datetime) -> datetime:
    """Round a time down to the millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def to_text(moment: datetime) -> str:
    """Format an aware time as RFC 3339 in UTC with milliseconds. The texts sort as the times do."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"  # in place of "+00:00"


def from_text(text: str) -> datetime:
    """Parse a text made by `to_text`."""
    return datetime.fromisoformat(text)


def later(at: datetime, than: datetime | None) -> datetime:
    """Return a time, or the first millisecond after another one if that is later."""
    return at if than is None else max(at, than + timedelta(milliseconds=1))


def epoch_ms(moment: datetime) -> int:
    """Return the milliseconds since 1970-01-01 in UTC."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def from_epoch_ms(milliseconds: int) -> datetime:
    """Return the time of a number made by `epoch_ms`."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def new_id(moment: datetime) -> str:
    """Return a ULID: 26 characters, ordered by `moment`, 80 random bits (github.com/ulid/spec)."""
    return ulid_floor(moment)[:10] + _base32(secrets.randbits(80), 16)


def derive_id(moment: datetime, seed: bytes) -> str:
    """Return a ULID of `moment` whose other bits are derived from `seed` instead of random."""
    digest = hashlib.sha256(seed).digest()
    return ulid_floor(moment)[:10] + _base32(int.from_bytes(digest[:10], "big"), 16)


def ulid_floor(moment: datetime) -> str:
    """Return the smallest ULID of a millisecond: a bound for ranges of ids by time."""
    return _base32(max(0, epoch_ms(moment)), 10) + "0" * 16


def is_id(text: str) -> bool:
    """Tell whether a text has the form of a ULID."""
    return len(text) == _ID_LENGTH and all(c in _CROCKFORD for c in text)


def _base32(number: int, length: int) -> str:
    return "".join(_CROCKFORD[(number >> 5 * place) & 31] for place in reversed(range(length)))
