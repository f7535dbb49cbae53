"""Owners as documents. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.domain.clock import from_text, to_text
from core.domain.owner import Owner, WebhookKey, WebhookSecret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

Document = dict[str, Any]


def _as_it_is(secret: str, _place: str) -> str:
    return secret


def owner_to_document(owner: Owner, encrypt: Callable[[str, str], str] = _as_it_is) -> Document:
    """Return the document of an owner's record; `encrypt` has a secret and its place."""
    place = _secrets_of(owner.id)
    return {
        "webhook_secrets": [
            {"value": encrypt(each.value, place), **_expiry(each.expires_at)}
            for each in owner.webhook_secrets
        ],
        "webhook_keys": [
            {
                "private": encrypt(each.private, place),
                "public": each.public,
                **_expiry(each.expires_at),
            }
            for each in owner.webhook_keys
        ],
    }


def owner_from_document(
    owner_id: str, document: Mapping[str, Any], decrypt: Callable[[str, str], str] = _as_it_is
) -> Owner:
    """Return the owner of a document; in early documents a secret is a plain text."""
    place = _secrets_of(owner_id)
    return Owner(
        owner_id,
        tuple(
            WebhookSecret(decrypt(each, place))
            if isinstance(each, str)
            else WebhookSecret(decrypt(each["value"], place), _expires_at(each))
            for each in document["webhook_secrets"]
        ),
        tuple(
            WebhookKey(decrypt(each["private"], place), each["public"], _expires_at(each))
            for each in document.get("webhook_keys", ())
        ),
    )


def stored_secrets(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the secrets and private keys of an owner's document, as they are stored."""
    secrets = document["webhook_secrets"]
    return (
        *(each if isinstance(each, str) else each["value"] for each in secrets),
        *(each["private"] for each in document.get("webhook_keys", ())),
    )


def _secrets_of(owner_id: str) -> str:
    return f"webhook secrets of owner {owner_id}"


def _expiry(expires_at: datetime | None) -> Document:
    return {"expires_at": to_text(expires_at)} if expires_at else {}


def _expires_at(document: Mapping[str, Any]) -> datetime | None:
    return from_text(document["expires_at"]) if "expires_at" in document else None
