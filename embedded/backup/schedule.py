"""The backups that the service makes of itself."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from core.domain.clock import from_text, to_text
from core.domain.errors import InvalidValue, LabellingError
from core.runtime.settings import BadSetting
from embedded.backup.create import BackupCancelled, BackupMaker
from embedded.backup.ownership import open_target_of
from embedded.backup.separation import require_apart
from embedded.data.originals import stored_address

if TYPE_CHECKING:
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.clock import Clock
    from embedded.settings import Settings
    from embedded.stores import Stores

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 60.0
UNREADABLE: Final = "older backups can't be read, so that no picture is deleted from the target"
THREADS: Final = 2  # leave the processors to requests
_LAST: Final = "backup_at"  # the database remembers when the last whole one began
_LACKING: Final = "backup_lacking"  # and how many pictures' bytes it lacks


@dataclass(frozen=True, slots=True)
class LastBackup:
    """When the last whole backup began, and how many pictures' uploaded bytes it lacks."""

    at: datetime
    lacking: int


class BackupSchedule:
    """Makes a backup at a call when the last one is older than `backup_hours`.

    Raises BadSetting where `backup_to` is not an address, or shares a place with the data.
    """

    def __init__(self, settings: Settings, stores: Stores, clock: Clock) -> None:
        if settings.backup_to is not None:
            try:
                require_apart(settings.backup_to, settings.data, stored_address(stores.database))
            except InvalidValue as exc:
                raise BadSetting(f"--backup-to: {exc.message}.") from exc
        self._address = settings.backup_to
        self._data = settings.data
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
            target = open_target_of(self._address, self._data, self._database)
            made = self._maker.make(target, self._keep)
        except BackupCancelled:
            return
        except LabellingError as exc:
            log.error("backup failed", extra={"error": str(exc)})  # noqa: TRY400  # says it all
            return
        with self._database.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)",
                [(_LAST, to_text(now)), (_LACKING, str(made.lacking))],
            )
        log.info(
            "backup made",
            extra={
                "backup": made.name,
                "originals": made.originals,
                "copied": made.copied,
                "lacking": made.lacking,
                "deleted": made.deleted,
            },
        )
        if made.later_dated:
            log.warning(
                "older backups have later dates: a clock was wrong, or is now",
                extra={"backup": made.name, "later_dated": made.later_dated},
            )
        if made.prune_error:
            log.error("older backups not deleted", extra={"error": made.prune_error})
        if made.unreadable:
            log.error(UNREADABLE, extra={"backup": made.name, "unreadable": made.unreadable})
        for key in (*made.missing, *made.damaged):
            log.error("original missing or damaged", extra={"key": key})

    def stop(self) -> None:
        """Have a backup in progress end soon, without a result."""
        self._stopping.set()

    def _is_due(self, now: datetime) -> bool:
        last = last_backup(self._database)
        # One of the future was made before the clock was set back.
        return last is None or not now - self._every < last.at <= now


def last_backup(database: Database) -> LastBackup | None:
    """Return the last scheduled backup; None before the first. Raises Unavailable."""
    with database.read() as connection:
        rows = connection.execute(
            "SELECT name, value FROM facts WHERE name IN (?, ?)", (_LAST, _LACKING)
        )
        facts = dict(rows.fetchall())
    if _LAST not in facts:
        return None
    return LastBackup(from_text(facts[_LAST]), int(facts.get(_LACKING, 0)))
