"""The audit log on DynamoDB: one partition for each month."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from core.domain.clock import from_text, to_text
from core.repositories.dynamodb.expressions import key
from core.repositories.ports.audit import RETENTION, AuditAction, AuditRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.repositories.dynamodb.table import Table

_TEXTS = ("owner", "actor", "origin", "subject")


class DynamoAuditLog:
    """The audit log in a `Table`. What may write the table may change it: restrict that by IAM."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def append(self, record: AuditRecord) -> None:
        """Store a record."""
        at = to_text(record.at)
        expires = int((record.at + RETENTION).timestamp())
        item = {
            **key(_partition(record.at), f"{at}#{secrets.token_hex(8)}"),
            "action": {"S": record.action.value},
            "expires_at": {"N": str(expires)},
            # Not `owner`, which is a key of the indexes of blobs.
            **{f"audit_{name}": {"S": getattr(record, name)} for name in _TEXTS},
        }
        self._table.put(item, "attribute_not_exists(pk)")

    def read(self, since: datetime, until: datetime) -> Iterator[AuditRecord]:
        """Yield the records of a time, `until` excluded, oldest first."""
        if since >= until:  # DynamoDB rejects BETWEEN with its ends the other way round
            return
        month = since.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while month < until:
            # A record's sort key goes on after its time, so it comes after that time alone.
            items = self._table.query_all(
                "#pk = :pk AND #sk BETWEEN :since AND :until",
                {
                    "pk": {"S": _partition(month)},
                    "since": {"S": to_text(since)},
                    "until": {"S": to_text(until)},
                },
            )
            for item in items:
                yield AuditRecord(
                    from_text(item["sk"]["S"].partition("#")[0]),
                    AuditAction(item["action"]["S"]),
                    *(item[f"audit_{name}"]["S"] for name in _TEXTS),
                )
            month = (month + timedelta(days=32)).replace(day=1)


def _partition(at: datetime) -> str:
    return f"audit#{at:%Y-%m}"
