"""The port to the audit log: who changed what gives access, or deleted what was stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

RETENTION: Final = timedelta(days=400)


class AuditAction(StrEnum):
    """What was done."""

    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    KEY_ROTATED = "key.rotated"
    WEBHOOK_SECRET_CREATED = "webhook-secret.created"  # noqa: S105  # no password
    WEBHOOK_SECRET_ROTATED = "webhook-secret.rotated"  # noqa: S105  # no password
    WEBHOOK_KEY_CREATED = "webhook-key.created"
    WEBHOOK_KEYS_REMOVED = "webhook-keys.removed"
    SECRETS_ENCRYPTED = "secrets.encrypted"
    URL_SECRET_ROTATED = "url-secret.rotated"  # noqa: S105  # not a password
    ENDPOINT_ENABLED = "endpoint.enabled"
    DEAD_LETTERS_RETRIED = "dead-letters.retried"
    DEAD_LETTER_DISCARDED = "dead-letter.discarded"
    WEBHOOK_REDELIVERED = "webhook.redelivered"
    LABEL_POLICY_SET = "label-policy.set"
    VOCABULARY_SET = "vocabulary.set"
    BLOB_DELETED = "blob.deleted"
    BLOB_RESTORED = "blob.restored"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One action. `subject` is the id of what it changed, `owner` whose that is.

    `actor` is who did it (`user:<name>` of a command, `key:<id>`, `token` or `keyless` of a
    request), `origin` the host of a command or the address of a client.
    """

    at: datetime
    action: AuditAction
    owner: str
    actor: str
    origin: str
    subject: str


class AuditLog(Protocol):
    """Records of actions. They are never changed, and kept for RETENTION."""

    def append(self, record: AuditRecord) -> None:
        """Store a record; it is on disk when this returns."""

    def read(self, since: datetime, until: datetime) -> Iterator[AuditRecord]:
        """Yield the records of a time, `until` excluded, oldest first."""
