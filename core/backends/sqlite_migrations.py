"""Migrations of the SQLite database, and the copy that is kept before one."""

from __future__ import annotations

import logging
import os
import sqlite3
from typing import TYPE_CHECKING, Final

from core.domain.errors import LabellingError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

COPY_SUFFIX: Final = ".layout-"  # of the copy's name, before the number of its layout


class NewerSchema(LabellingError):
    """A later version of this program wrote the data."""


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    migrations: Path,
    before_migration: Callable[[], None],
    copy_to: Callable[[Path], None],
) -> None:
    """Bring a database to the latest layout, in the connection's transaction.

    `before_migration` is called where there is an earlier layout, and may raise. Then `copy_to`
    makes the copy that is kept.

    Raises:
        NewerSchema: the layout is later than the latest.
        Unavailable: a copy can't be made.

    """
    scripts = sorted(migrations.glob("*.sql"))
    latest = len(scripts)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > latest:
        raise NewerSchema(
            f"{path} has data layout {version}, but this program supports {latest}. "
            "Update the program or choose another data folder."
        )
    if 0 < version < latest:
        before_migration()
        _keep_copy(path, version, copy_to)
    for script in scripts[version:]:
        for statement in _statements(script.read_text("utf-8")):
            connection.execute(statement)
    if version < latest:
        connection.execute(f"PRAGMA user_version = {latest}")
    if 0 < version < latest:
        log.info(
            "database upgraded",
            extra={
                "layout_before": version,
                "layout": latest,
                "copy_for_the_way_back": str(copy_path(path, version)),
            },
        )


def copy_path(path: Path, version: int) -> Path:
    """Return where the copy of a database with an earlier layout is kept."""
    return path.with_name(f"{path.name}{COPY_SUFFIX}{version}")


def _keep_copy(path: Path, version: int, copy_to: Callable[[Path], None]) -> None:
    """Keep a copy for the way back, in place of earlier copies. Raises Unavailable."""
    kept = copy_path(path, version)
    unfinished = path.with_name(f"{path.name}{COPY_SUFFIX}unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_RDONLY, 0o600)) as file:
            copy_to(unfinished)
            os.fsync(file.fileno())
        unfinished.replace(kept)
    except OSError as exc:
        raise Unavailable(f"No copy of the database could be made: {exc}") from exc
    finally:
        unfinished.unlink(missing_ok=True)
    for other in path.parent.glob(f"{path.name}{COPY_SUFFIX}*"):
        if other != kept:
            other.unlink(missing_ok=True)


def _statements(script: str) -> Iterator[str]:
    """Split a script: `executescript` would commit the transaction."""
    lines: list[str] = []
    for line in script.splitlines():
        lines.append(line)
        if sqlite3.complete_statement(statement := "\n".join(lines)):
            yield statement
            lines.clear()
    if lines:  # the last statement may lack its semicolon
        yield "\n".join(lines)
