"""The log of all changes of blobs on SQLite. It replaces the stream of the DynamoDB table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from core.domain.clock import epoch_ms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.blob import Blob, BlobStatus
    from core.domain.change import Change
    from core.domain.clock import Clock
    from core.repositories.serialization import Document


@dataclass(frozen=True, slots=True)
class StoredChange:
    """A change: the blob's documents before and after. `at` is in milliseconds since 1970."""

    sequence: int
    at: int
    blob_id: str
    old: Document | None
    new: Document | None


class SqliteChangeLog:
    """The changes in a `Database`. Feeds read them in order; the log stores their positions."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._listeners: list[tuple[Callable[[], None], Collection[BlobStatus]]] = []
        self._watchers: list[Callable[[Change], None]] = []

    def listen(self, listener: Callable[[], None], statuses: Collection[BlobStatus]) -> None:
        """Call `listener` after every commit of this process that sets one of the statuses.

        Also call it after every edit and every deletion.
        """
        self._listeners.append((listener, statuses))

    def watch(self, watcher: Callable[[Change], None]) -> None:
        """Call `watcher` with every committed change of this process, in the order of commits.

        It is called in a thread that writes.
        """
        self._watchers.append(watcher)

    def record(
        self, connection: sqlite3.Connection, change: Change, old: str | None, new: str | None
    ) -> None:
        """Add a change, with the documents before and after, to the current transaction."""
        blob = cast("Blob", change.new or change.old)
        connection.execute(
            "INSERT INTO changes (blob_id, at, old, new) VALUES (?, ?, ?, ?)",
            (blob.id, epoch_ms(self._clock()), old, new),
        )
        for listener, statuses in self._listeners:
            if new is None or blob.status in statuses or change.edited:
                self._database.after_commit(listener)
        for watcher in self._watchers:
            self._database.after_commit(partial(watcher, change))

    def read_after(self, sequence: int, limit: int) -> list[StoredChange]:
        """Return up to `limit` changes behind a sequence number, in order."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT sequence, at, blob_id, old, new FROM changes WHERE sequence > ?"
                " ORDER BY sequence LIMIT ?",
                (sequence, limit),
            ).fetchall()
        return [
            StoredChange(*row[:3], *(json.loads(text) if text else None for text in row[3:]))
            for row in rows
        ]

    def position(self, feed: str) -> int:
        """Return the sequence number up to which a feed has read."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT sequence FROM feeds WHERE name = ?", (feed,)
            ).fetchone()
        return int(row[0]) if row else 0

    def save_position(self, feed: str, sequence: int) -> None:
        """Store the sequence number up to which a feed has read."""
        with self._database.write(synced=False) as connection:
            connection.execute("INSERT OR REPLACE INTO feeds VALUES (?, ?)", (feed, sequence))

    def trim(self, before: datetime) -> None:
        """Delete changes before a time that all feeds have read (a DynamoDB stream keeps 24 h)."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                "DELETE FROM changes WHERE at < ?"
                " AND sequence <= (SELECT coalesce(min(sequence), 0) FROM feeds)",
                (epoch_ms(before),),
            )
