"""Webhook signatures of Standard Webhooks 1.0.0 ("Signature scheme"). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from core.domain.errors import InvalidValue
from core.domain.owner import WebhookKey

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEED_BYTES: Final = 32
_PRIVATE_KEY_BYTES: Final = 64  # the seed and the public key


def signed_headers(
    webhook_secrets: Sequence[str],
    webhook_id: str,
    timestamp: int,
    body: bytes,
    webhook_keys: Sequence[WebhookKey] = (),
) -> dict[str, str]:
    """Return the three headers of a webhook. `timestamp` is in Unix seconds.

    Each secret adds a `v1` signature (HMAC-SHA256), so that a receiver can verify with any of them.
    Each key adds a `v1a` signature (ed25519).

    Raises:
        InvalidValue: a secret or key is malformed. The message doesn't contain it.

    """
    content = f"{webhook_id}.{timestamp}.".encode() + body
    signatures = [
        "v1," + _text(hmac.digest(_decoded(secret, "whsec_", "secret"), content, hashlib.sha256))
        for secret in webhook_secrets
    ]
    signatures += ["v1a," + _text(_ed25519(key, content)) for key in webhook_keys]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def new_key() -> WebhookKey:
    """Generate an ed25519 key pair."""
    from nacl.signing import SigningKey  # slow to load, few owners use it  # noqa: PLC0415

    key = SigningKey.generate()
    public = bytes(key.verify_key)
    return WebhookKey("whsk_" + _text(bytes(key) + public), "whpk_" + _text(public))


def _ed25519(key: WebhookKey, content: bytes) -> bytes:
    from nacl.signing import SigningKey  # slow to load, few owners use it  # noqa: PLC0415

    private = _decoded(key.private, "whsk_", "key")
    if len(private) != _PRIVATE_KEY_BYTES:
        raise InvalidValue("webhook key", "must be whsk_ and the base64 of 64 bytes")
    return SigningKey(private[:_SEED_BYTES]).sign(content).signature


def _decoded(text: str, prefix: str, name: str) -> bytes:
    try:
        return base64.b64decode(text.removeprefix(prefix), validate=True)
    except binascii.Error as exc:
        raise InvalidValue(f"webhook {name}", f"must be {prefix} and base64") from exc


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
