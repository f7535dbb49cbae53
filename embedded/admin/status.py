"""The state of a data folder and of the service that runs on it."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import BlobStatus
from core.domain.clock import to_text
from core.storage.disk_reserve import free_bytes
from embedded.admin.deliveries import summarise_deliveries
from embedded.admin.owners import list_owners
from embedded.backup.schedule import last_backup
from embedded.data.folder import DATABASE
from embedded.data.lock import is_served
from embedded.data.originals import stored_address
from embedded.metrics.state import resident_bytes
from embedded.metrics.statistics import LINES, read_statistics
from embedded.version import running_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from core.backends.sqlite import Database
    from embedded.admin.usage import Usage
    from embedded.settings import Settings
    from embedded.stores import Stores
    from labeller.detectors.base import Detector

MAX_OWNERS: Final = 100
ORT: Final = "onnxruntime"


def read_status(
    settings: Settings,
    stores: Stores,
    now: datetime,
    usage: Usage | None,
    service: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what a data folder holds, what waits in it and what runs, as JSON values.

    `service` is what only the running service knows (see `Running`), `usage` what takes a walk of
    all blobs to know: both are null without them. Raises Unavailable.
    """
    counts = read_statistics(stores.database, [each.name for each in stores.queues], now)
    with stores.database.read() as connection:
        (keys,) = connection.execute("SELECT count(*) FROM api_keys").fetchone()
    last = last_backup(stores.database)
    disk = read_disk(settings, stores.database, usage)
    return {
        "at": to_text(now),
        "folder": str(settings.data.absolute()),
        "running": service is not None or is_served(settings.data),
        "service": service,
        "versions": read_versions(stores.database),
        "blobs": {each.value: counts.blobs[each.value] for each in BlobStatus},
        "owners": list_owners(stores.database, usage, MAX_OWNERS),
        "limits": {
            "uploads_per_minute": settings.uploads_per_minute,
            "open_uploads": settings.open_uploads,
            "requests_per_second": settings.requests_per_second,
            "max_upload_bytes": settings.max_upload_bytes,
        },
        "queues": {
            name: {
                "due": depth.due,
                "later": depth.later,
                "dead": depth.dead,
                "oldest_seconds": depth.oldest_seconds,
            }
            for name, depth in counts.queues.items()
        },
        "deliveries": summarise_deliveries(stores.database, now),
        "webhooks_waiting": {line: counts.waiting[line] for line in LINES.values()},
        "endpoints_waiting": counts.endpoints_waiting,
        "endpoints_disabled": counts.endpoints_disabled,
        "keys": keys,
        "disk": disk,
        "database_bytes": disk["database_bytes"] + disk["wal_bytes"] + disk["copies_bytes"],
        "disk_free_bytes": disk["free_bytes"],
        "backups": {
            "to": settings.backup_to,
            "every_hours": settings.backup_hours if settings.backup_to else None,
            "age_seconds": (now - last.at).total_seconds() if last else None,
            "lacking": last.lacking if last else None,
        },
        "last_backup": to_text(last.at) if last else None,
    }


def read_versions(database: Database) -> dict[str, Any]:
    """Return the versions of the service and of what it stands on. Raises Unavailable."""
    with database.read() as connection:
        (layout,) = connection.execute("PRAGMA user_version").fetchone()
    onnxruntime = None
    with suppress(PackageNotFoundError):
        onnxruntime = version(ORT)
    return {
        "labelling": running_version(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        ORT: onnxruntime,
        "layout": layout,
    }


def read_disk(settings: Settings, database: Database, usage: Usage | None) -> dict[str, Any]:
    """Return bytes of the disk and of what is on it; null what was not measured yet.

    `copies_bytes` are the database's shared memory and its copies from before upgrades;
    `originals_bytes` are in `originals_in`, which is a bucket or null for the data folder.
    """
    sizes = {
        path.name.removeprefix(DATABASE): path.stat().st_size
        for path in settings.data.glob(f"{DATABASE}*")
        if path.is_file()
    }
    main, log = sizes.pop("", 0), sizes.pop("-wal", 0)
    return {
        "database_bytes": main,
        "wal_bytes": log,
        "copies_bytes": sum(sizes.values()),
        "originals_in": stored_address(database),
        "originals_bytes": usage and usage.originals,
        "derived_bytes": usage and usage.derived,
        "measured_at": usage and to_text(usage.at),
        "free_bytes": free_bytes(settings.data),
        "total_bytes": shutil.disk_usage(settings.data).total,
        "reserve_bytes": settings.reserve_bytes,
    }


class Running:
    """What only the running service knows of itself. `processes` are the detectors' ids."""

    def __init__(
        self,
        started: datetime,
        detector: Detector,
        readiness: Callable[[], Mapping[str, str | None]],
        processes: Callable[[], Sequence[int]],
    ) -> None:
        self._started = started
        self._detector = detector
        self._readiness = readiness
        self._processes = processes

    def __call__(self) -> dict[str, Any]:
        """Return it as JSON values; a process that has ended has no memory."""
        named = [("service", os.getpid())]
        named += [(f"detector-{number}", each) for number, each in enumerate(self._processes())]
        return {
            "started_at": to_text(self._started),
            "detector": self._detector.name,
            "checks": dict(self._readiness()),
            "processes": [
                {"name": name, "pid": pid, "resident_bytes": _memory(pid)} for name, pid in named
            ],
        }


def _memory(pid: int) -> int | None:
    try:
        return resident_bytes(pid)
    except OSError:  # it has ended, or the system has no /proc
        return None
