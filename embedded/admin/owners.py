"""Owners and what they use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import BlobStatus
from core.domain.clock import from_epoch_ms, to_text

if TYPE_CHECKING:
    from core.backends.sqlite import Database
    from embedded.admin.usage import Usage

# Owners with blobs, with keys, or with secrets alone, those with the most blobs first.
_PAGE: Final = """
    WITH counted AS (
        SELECT owner, sum(count) AS blobs,
            sum(count) FILTER (WHERE status = ?) AS open,
            sum(count) FILTER (WHERE status = ?) AS failed
        FROM blob_counts GROUP BY owner
    ), keyed AS (
        SELECT owner, count(*) AS keys, max(last_used_at) AS used FROM api_keys GROUP BY owner
    ), known AS (
        SELECT owner FROM counted UNION SELECT owner FROM keyed UNION SELECT id FROM owners
    )
    SELECT owner, coalesce(blobs, 0), coalesce(open, 0), coalesce(failed, 0), coalesce(keys, 0),
        used
    FROM known LEFT JOIN counted USING (owner) LEFT JOIN keyed USING (owner)
    ORDER BY 2 DESC, 1 LIMIT ? OFFSET ?
"""


def list_owners(
    database: Database, usage: Usage | None, limit: int, skip: int = 0
) -> list[dict[str, Any]]:
    """Return owners behind the first `skip`, those with the most blobs first. Raises Unavailable.

    `bytes` is null until the usage was measured.
    """
    with database.read() as connection:
        rows = connection.execute(
            _PAGE,
            (BlobStatus.AWAITING_UPLOAD.value, BlobStatus.FAILED.value, limit, skip),
        ).fetchall()
    return [
        {
            "owner": owner,
            "blobs": blobs,
            "bytes": usage.by_owner.get(owner, 0) if usage else None,
            "open_uploads": open_uploads,
            "failed": failed,
            "keys": keys,
            "last_used_at": None if used is None else to_text(from_epoch_ms(used)),
        }
        for owner, blobs, open_uploads, failed, keys, used in rows
    ]
