"""Owner: whose webhooks are signed with what, and since when. Pure.

Forms after Standard Webhooks 1.0.0, "Signature scheme": secrets `whsec_`, ed25519 private keys
`whsk_` (64 bytes: seed and public key), public keys `whpk_` (32 bytes); each with base64 behind it.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from datetime import datetime

ROTATION_OVERLAP: Final = timedelta(hours=24)
MAX_VALID: Final = 5  # secrets at a time, and keys: each is a signature in a header

_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """What HMAC signatures are made with; until `expires_at`, if it has been replaced."""

    value: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookKey:
    """What ed25519 signatures are made with, and what they are verified with."""

    private: str = field(repr=False)
    public: str
    expires_at: datetime | None = None


Credential = TypeVar("Credential", bound=WebhookSecret | WebhookKey)


@dataclass(frozen=True, slots=True)
class Owner:
    """What is kept per owner: what its webhooks are signed with, newest first."""

    id: str
    webhook_secrets: tuple[WebhookSecret, ...] = ()
    webhook_keys: tuple[WebhookKey, ...] = ()

    def secrets_at(self, now: datetime) -> list[str]:
        """Return the secrets that sign at a moment, newest first."""
        return [each.value for each in _valid(self.webhook_secrets, now)]

    def keys_at(self, now: datetime) -> list[WebhookKey]:
        """Return the keys that sign at a moment, newest first."""
        return list(_valid(self.webhook_keys, now))


class TooManyRotations(LabellingError):
    """As many secrets or keys are valid as may be; from `retry_at` on there is room."""

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(
            f"{MAX_VALID} are valid at this moment, and no more may be: the next can be made on "
            f"{retry_at:%Y-%m-%d at %H:%M:%S} UTC."
        )
        self.retry_at = retry_at


def new_secret() -> str:
    """Make a webhook secret: `whsec_` and the base64 of 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def with_new_secret(owner: Owner, value: str, now: datetime) -> Owner:
    """Have a new secret sign; those before do so for another 24 h. Raises TooManyRotations."""
    return replace(
        owner, webhook_secrets=_rotated(owner.webhook_secrets, WebhookSecret(value), now)
    )


def with_new_key(owner: Owner, key: WebhookKey, now: datetime) -> Owner:
    """Have a new key sign; those before do so for another 24 h. Raises TooManyRotations."""
    return replace(owner, webhook_keys=_rotated(owner.webhook_keys, key, now))


def without_keys(owner: Owner) -> Owner:
    """Have no key sign any more."""
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
