"""Owners and the secrets and keys that sign their webhooks. Pure.

The formats are those of Standard Webhooks 1.0.0, "Signature scheme": secrets `whsec_`, ed25519
private keys `whsk_` (64 bytes: seed and public key), public keys `whpk_` (32 bytes); each prefix is
followed by base64.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from core.domain.errors import QuotaExceeded

if TYPE_CHECKING:
    from datetime import datetime

LOCAL_OWNER: Final = "local"  # of requests that need no key
MAX_OWNER: Final = 64  # bytes of an owner's name in UTF-8
ROTATION_OVERLAP: Final = timedelta(hours=24)
MAX_VALID: Final = 5  # valid secrets, and valid keys: each adds a signature to the header

_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A secret for HMAC signatures; `expires_at` is set once it has been replaced."""

    value: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookKey:
    """A key pair for ed25519 signatures; `expires_at` is set once it has been replaced."""

    private: str = field(repr=False)
    public: str
    expires_at: datetime | None = None


Credential = TypeVar("Credential", bound=WebhookSecret | WebhookKey)


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner and the secrets and keys that sign its webhooks, newest first."""

    id: str
    webhook_secrets: tuple[WebhookSecret, ...] = ()
    webhook_keys: tuple[WebhookKey, ...] = ()

    def secrets_at(self, now: datetime) -> list[str]:
        """Return the secrets that are valid at a time, newest first."""
        return [each.value for each in _valid(self.webhook_secrets, now)]

    def keys_at(self, now: datetime) -> list[WebhookKey]:
        """Return the keys that are valid at a time, newest first."""
        return list(_valid(self.webhook_keys, now))


class TooManyRotations(QuotaExceeded):
    """The maximum number of secrets or keys is valid; the next can be made at `retry_at`."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(
            f"{MAX_VALID} are valid, which is the maximum. The next can be made on "
            f"{retry_at:%Y-%m-%d at %H:%M:%S} UTC.",
            retry_at,
        )


def new_secret() -> str:
    """Return a new webhook secret: `whsec_` and the base64 of 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def with_new_secret(owner: Owner, value: str, now: datetime) -> Owner:
    """Add a secret; the older ones stay valid for 24 h. Raises TooManyRotations."""
    return replace(
        owner, webhook_secrets=_rotated(owner.webhook_secrets, WebhookSecret(value), now)
    )


def with_new_key(owner: Owner, key: WebhookKey, now: datetime) -> Owner:
    """Add a key; the older ones stay valid for 24 h. Raises TooManyRotations."""
    return replace(owner, webhook_keys=_rotated(owner.webhook_keys, key, now))


def without_keys(owner: Owner) -> Owner:
    """Remove all keys."""
    return replace(owner, webhook_keys=())


def _valid(credentials: tuple[Credential, ...], now: datetime) -> tuple[Credential, ...]:
    return tuple(each for each in credentials if each.expires_at is None or each.expires_at > now)


def _rotated(
    credentials: tuple[Credential, ...], new: Credential, now: datetime
) -> tuple[Credential, ...]:
    valid = _valid(credentials, now)
    ends = [each.expires_at or now + ROTATION_OVERLAP for each in valid]
    if len(valid) >= MAX_VALID:
        raise TooManyRotations(min(ends))
    replaced = [replace(each, expires_at=end) for each, end in zip(valid, ends, strict=True)]
    return (new, *replaced)


def is_owner_name(text: str) -> bool:
    """Tell whether a text can be an owner's name: printable, without "/", 1 to 64 bytes."""
    size = len(text.encode("utf-8", "surrogatepass"))
    return (
        0 < size <= MAX_OWNER and text.isprintable() and "/" not in text and text not in (".", "..")
    )
