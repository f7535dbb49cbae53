"""Restore a data folder from a backup, and check a whole backup."""

from __future__ import annotations

import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.domain.errors import LabellingError
from core.storage.durable_files import make_folder, sync_folder
from core.storage.files import path_of
from embedded.backup.manifest import DATABASE, MANIFEST
from embedded.backup.read import (
    check_original,
    choose_backup,
    digest_of,
    get_database,
    read_listing,
    read_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from embedded.backup.manifest import Manifest, Original
    from embedded.backup.targets import BackupTarget

UNFINISHED: Final = ".restoring"  # the end of the folder's name until everything is there
THREADS: Final = 8
BATCH: Final = 500


class FolderInUse(LabellingError):
    """The folder to restore into is there, and not empty."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored or checked.

    `pictures` is how many the database names, and `problems` tells by key which of them are absent
    or damaged. A backup that is not `recorded` doesn't tell what was lost before it was made.
    """

    backup: str
    created_at: str
    pictures: int
    problems: Mapping[str, str]
    recorded: bool


def restore(
    target: BackupTarget,
    backup: str | None,
    data: Path,
    show: Callable[[int, int], None] = lambda _done, _of: None,
) -> Restored:
    """Restore a backup, the newest if none is named, into a folder that is absent or empty.

    The folder gets its name when all is there; after an interruption, the next call continues.
    Pictures that are absent or damaged in the backup are left out. Raises FolderInUse, NoBackup,
    BackupDamaged, ObjectNotFound, StorageFull or Unavailable.
    """
    data = data.absolute()
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise FolderInUse(f"{data} is not empty: name a folder that does not exist.")
    with tempfile.TemporaryDirectory() as manifests:
        chosen = choose_backup(target, backup, Path(manifests))
    work = data.with_name(data.name + UNFINISHED)
    manifest = _start(target, chosen, work)
    get_database(target, chosen, manifest, work / DATABASE)

    def fetch(original: Original) -> str | None:
        path = path_of(work, original.key)
        if path.exists() and digest_of(path) == original.part:
            return None
        part = path.with_name(f".{path.name}")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        problem = check_original(target, original, part)
        if problem:
            part.unlink(missing_ok=True)
        else:
            part.chmod(0o600)
            part.rename(path)
        return problem

    problems = _each(
        read_listing(target, chosen, work), fetch, lambda done: show(done, manifest.originals)
    )
    (work / MANIFEST).unlink()
    (work / DATABASE).chmod(0o600)
    os.sync()  # one for all files, rather than one for each
    work.rename(data)  # in place of an empty folder
    sync_folder(data.parent)
    return _outcome(chosen, manifest, problems)


def _start(target: BackupTarget, backup: str, work: Path) -> Manifest:
    """Make the unfinished folder, or take the one that an interrupted call left of this backup."""
    before = (work / MANIFEST).read_bytes() if (work / MANIFEST).exists() else None
    make_folder(work)
    manifest = read_manifest(target, backup, work)
    if before is not None and (work / MANIFEST).read_bytes() != before:
        shutil.rmtree(work)
        return _start(target, backup, work)
    return manifest


def verify_backup(
    target: BackupTarget,
    backup: str | None,
    show: Callable[[int, int], None] = lambda _done, _of: None,
) -> Restored:
    """Read every byte of a backup, the newest if none is named. Raises as `restore`."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        chosen = choose_backup(target, backup, work)
        manifest = read_manifest(target, chosen, work)
        get_database(target, chosen, manifest, work / DATABASE)

        def check(original: Original) -> str | None:
            with tempfile.NamedTemporaryFile(dir=work) as copy:
                return check_original(target, original, Path(copy.name))

        problems = _each(
            read_listing(target, chosen, work), check, lambda done: show(done, manifest.originals)
        )
    return _outcome(chosen, manifest, problems)


def _outcome(backup: str, manifest: Manifest, problems: dict[str, str]) -> Restored:
    return Restored(
        backup=backup,
        created_at=manifest.created_at,
        pictures=manifest.originals + len(manifest.missing),
        problems=manifest.problems | problems,
        recorded=manifest.recorded,
    )


def _each(
    originals: Iterable[Original],
    call: Callable[[Original], str | None],
    show: Callable[[int], None],
) -> dict[str, str]:
    """Call for each picture, several at a time; return the problems by key."""
    problems: dict[str, str] = {}
    done = 0
    remaining = iter(originals)
    with ThreadPoolExecutor(THREADS) as pool:
        while batch := list(islice(remaining, BATCH)):
            for original, problem in zip(batch, pool.map(call, batch), strict=True):
                if problem:
                    problems[original.key] = problem
            done += len(batch)
            show(done)
    return problems
