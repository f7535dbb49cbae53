"""The backups that the service makes of itself."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from core.domain.clock import from_text, to_text
from core.domain.errors import LabellingError
from embedded.backup.create import BackupCancelled, BackupMaker
from embedded.backup.targets import open_target
from embedded.s3 import s3_client

if TYPE_CHECKING:
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.clock import Clock
    from embedded.settings import Settings
    from embedded.stores import Stores

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 60.0
THREADS: Final = 2  # leave the processors to requests
_LAST: Final = "backup_at"  # the database remembers when the last whole one began


class BackupSchedule:
    """Makes a backup at a call when the last one is older than `backup_hours`."""

    def __init__(self, settings: Settings, stores: Stores, clock: Clock) -> None:
        self._address = settings.backup_to
        self._every = timedelta(hours=settings.backup_hours)
        self._keep = settings.backup_keep
        self._database = stores.database
        self._clock = clock
        self._stopping = threading.Event()
        self._maker = BackupMaker(
            settings.data,
            stores,
            clock,
            threads=THREADS,
            cancelled=self._stopping.is_set,
        )

    def __call__(self) -> None:
        """Make a backup if it is time. What fails is logged, and tried again at the next call."""
        now = self._clock()
        if self._address is None or not self._is_due(now):
            return
        try:
            made = self._maker.make(open_target(self._address, s3_client), self._keep)
        except BackupCancelled:
            return
        except LabellingError as exc:
            log.error("backup failed", extra={"error": str(exc)})  # noqa: TRY400  # says it all
            return
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_LAST, to_text(now)))
        done = {"backup": made.name, "originals": made.originals, "copied": made.copied}
        log.info("backup made", extra=done)
        for key in (*made.missing, *made.damaged):
            log.error("original missing or damaged", extra={"key": key})

    def stop(self) -> None:
        """Have a backup in progress end soon, without a result."""
        self._stopping.set()

    def _is_due(self, now: datetime) -> bool:
        last = last_backup(self._database)
        # One of the future was made before the clock was set back.
        return last is None or not now - self._every < last <= now


def last_backup(database: Database) -> datetime | None:
    """Return when the last whole backup began; None before the first. Raises Unavailable."""
    with database.read() as connection:
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (_LAST,)).fetchone()
    return from_text(row[0]) if row else None
