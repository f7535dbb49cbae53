"""The log of all writes of blobs on SQLite: the twin of the DynamoDB table's stream."""

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
    """One write as kept: documents of the blob before and after. `at` is in ms since 1970."""

    sequence: int
    at: int
    blob_id: str
    old: Document | None
    new: Document | None


class SqliteChangeLog:
    """The changes in a `Database`. Feeds read them in order; each feed's position is kept."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._listeners: list[tuple[Callable[[], None], Collection[BlobStatus]]] = []
        self._watchers: list[Callable[[Change], None]] = []

    def listen(self, listener: Callable[[], None], statuses: Collection[BlobStatus]) -> None:
        """Have `listener` called after every kept change (of this process) to such a status.

        And after every deletion.
        """
        self._listeners.append((listener, statuses))

    def watch(self, watcher: Callable[[Change], None]) -> None:
        """Have `watcher` told of every kept change (of this process), in the thread that made it.

        Changes of one blob by two threads may be told in either order.
        """
        self._watchers.append(watcher)

    def record(
        self, connection: sqlite3.Connection, change: Change, old: str | None, new: str | None
    ) -> None:
        """Keep a change, with the documents of before and after, in the transaction at hand."""
        blob = cast("Blob", change.new or change.old)
        connection.execute(
            "INSERT INTO changes (blob_id, at, old, new) VALUES (?, ?, ?, ?)",
            (blob.id, epoch_ms(self._clock()), old, new),
        )
        for listener, statuses in self._listeners:
            if new is None or blob.status in statuses:
                self._database.after_commit(listener)
        for watcher in self._watchers:
            self._database.after_commit(partial(watcher, change))

    def read_after(self, sequence: int, limit: int) -> list[StoredChange]:
        """Return the writes after one, in order."""
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
        """Return the sequence up to which a feed has been read."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT sequence FROM feeds WHERE name = ?", (feed,)
            ).fetchone()
        return int(row[0]) if row else 0

    def save_position(self, feed: str, sequence: int) -> None:
        """Note that a feed has been read up to a sequence."""
        with self._database.write(synced=False) as connection:
            connection.execute("INSERT OR REPLACE INTO feeds VALUES (?, ?)", (feed, sequence))

    def trim(self, before: datetime) -> None:
        """Forget changes older than that which every feed has read (a stream keeps 24 h)."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                "DELETE FROM changes WHERE at < ?"
                " AND sequence <= (SELECT coalesce(min(sequence), 0) FROM feeds)",
                (epoch_ms(before),),
            )
