"""The bytes of each owner's pictures, and of what is derived from them."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from core.backends.sqlite import Database
    from core.domain.clock import Clock

log = logging.getLogger(__name__)

KEPT: Final = timedelta(minutes=10)
_BATCH: Final = 5000  # blobs in one short read, so that the database's log can be emptied between


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes at a time: of each owner's pictures, and of all thumbnails."""

    at: datetime
    by_owner: Mapping[str, int]
    derived: int

    @property
    def originals(self) -> int:
        """The bytes of all pictures."""
        return sum(self.by_owner.values())


def measure_usage(database: Database, data: Path, now: datetime) -> Usage:
    """Walk all blobs and thumbnails. Raises Unavailable."""
    by_owner: Counter[str] = Counter()
    after = ""
    while True:
        with database.read() as connection:
            rows = connection.execute(
                "SELECT id, owner, coalesce(json_extract(document, '$.size'), 0) FROM blobs"
                " WHERE id > ? ORDER BY id LIMIT ?",
                (after, _BATCH),
            ).fetchall()
        for after, owner, size in rows:  # noqa: B007  # the last is where the next read begins
            by_owner[owner] += size
        if len(rows) < _BATCH:
            break
    return Usage(now, by_owner, sum(_sizes(data / "derived")))


def _sizes(folder: Path) -> list[int]:
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                found.append(os.stat(os.path.join(where, name)).st_size)  # noqa: PTH116, PTH118
            except FileNotFoundError:  # deleted meanwhile
                continue
    return found


class UsageMeter:
    """The last measurement of a running service, since one takes seconds for a million pictures."""

    def __init__(self, database: Database, data: Path, clock: Clock) -> None:
        self._database = database
        self._data = data
        self._clock = clock
        self._measuring = threading.Lock()
        self.latest: Usage | None = None

    def is_due(self) -> bool:
        """Tell whether the last measurement is too old, and none is in progress."""
        old = self.latest is None or self.latest.at + KEPT <= self._clock()
        return old and not self._measuring.locked()

    def measure(self) -> None:
        """Measure, unless another thread does. What fails is logged, and tried again later."""
        if not self._measuring.acquire(blocking=False):
            return
        try:
            self.latest = measure_usage(self._database, self._data, self._clock())
        except (LabellingError, OSError) as error:
            log.warning("usage not measured", extra={"error": str(error)})
        finally:
            self._measuring.release()
