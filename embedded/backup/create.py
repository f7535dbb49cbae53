"""Make a backup of a data folder, while the service runs or not."""

from __future__ import annotations

import base64
import fcntl
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from core.backends.sqlite import Database
from core.domain.blob import BlobStatus, FailureCode
from core.domain.clock import to_text
from core.domain.errors import LabellingError, ObjectNotFound
from core.repositories.sqlite.blobs import SqliteBlobRepository
from embedded.backup.manifest import (
    DATABASE,
    LISTING,
    MANIFEST,
    BackupDamaged,
    Manifest,
    Original,
    Part,
    backup_name,
    backups_in,
    by_age,
    dump_manifest,
    dump_original,
    file_name,
    original_name,
    surplus,
    unused,
)
from embedded.backup.ownership import claim, data_id
from embedded.backup.read import digest_of, is_disk_error, read_listing, read_numbers
from embedded.data.originals import open_storage, use_file
from embedded.migrations import MIGRATIONS
from embedded.version import running_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from core.domain.blob import Blob
    from core.domain.clock import Clock
    from core.repositories.ports.blobs import BlobRepository
    from embedded.backup.targets import BackupTarget
    from embedded.stores import Stores

WORK: Final = ".backup"  # in the data folder, for the copy of the database
LOCK: Final = "backup.lock"
PAGE: Final = 500  # blobs
# Without bytes there is nothing to copy: none came, they were too large, or they were lost.
_NO_BYTES: Final = frozenset({FailureCode.TOO_LARGE, FailureCode.ORIGINAL_MISSING})


class BackupRunning(LabellingError):
    """Another backup of the data folder is being made."""


class BackupCancelled(LabellingError):
    """The backup ended because the service stops."""


@dataclass(slots=True)
class Outcome:
    """What a backup has done. `copied` counts the pictures that the target did not have yet.

    `missing` are the keys of pictures whose bytes are lost, `damaged` those whose bytes are not the
    ones that were uploaded: the backup has the rest. `deleted` are older backups. `later_dated` are
    older backups with a later time in their names, because a clock was wrong. `unreadable` are kept
    ones whose lists of pictures are damaged: no picture is deleted from the target meanwhile.
    `prune_error` tells why surplus backups could not be deleted.
    """

    name: str
    originals: int = 0
    original_bytes: int = 0
    copied: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    later_dated: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    prune_error: str | None = None

    @property
    def lacking(self) -> int:
        """The number of pictures whose uploaded bytes are not in the backup."""
        return len(self.missing) + len(self.damaged)


def has_bytes(blob: Blob) -> bool:
    """Tell whether the bytes of a blob were uploaded and are kept."""
    if blob.status in (BlobStatus.AWAITING_UPLOAD, BlobStatus.EXPIRED):
        return False
    return blob.failure is None or blob.failure.code not in _NO_BYTES


class BackupMaker:
    """Makes backups of one data folder.

    The database is copied first, and then each picture that it names and that the target lacks. A
    blob that was deleted meanwhile is deleted from the copy. The manifest is stored last.
    """

    def __init__(
        self,
        data: Path,
        stores: Stores,
        clock: Clock,
        *,
        threads: int = 8,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._data = data
        self._stores = stores
        self._storage = open_storage(data, stores.database)
        self._clock = clock
        self._threads = threads
        self._cancelled = cancelled

    def make(
        self,
        target: BackupTarget,
        keep: int | None,
        show: Callable[[int], None] = lambda _: None,
    ) -> Outcome:
        """Make a backup, then delete all but the newest `keep`; without `keep`, none.

        `show` receives the number of blobs read.
        Raises TargetInUse, BackupRunning, BackupCancelled, StorageFull or Unavailable. The target
        then has the same whole backups as before.
        """
        self._require_wanted()
        with self._working() as work:
            at = self._clock()
            present = dict(target.sizes())
            claim(target, present, data_id(self._stores.database), work)
            before = backups_in(present)
            numbers = read_numbers(target, [each for each in before if before[each]], work)
            outcome = Outcome(backup_name(at, before))
            outcome.later_dated = [each for each in numbers if each > outcome.name]
            self._stores.database.copy_to(work / DATABASE)
            with closing(Database(work / DATABASE, MIGRATIONS)) as copy:
                self._copy_originals(copy, target, present, work / LISTING, outcome, show)
            parts = {name: digest_of(work / name) for name in (DATABASE, LISTING)}
            manifest = Manifest(
                created_at=to_text(at),
                service=running_version(),
                database=parts[DATABASE],
                listing=parts[LISTING],
                originals=outcome.originals,
                original_bytes=outcome.original_bytes,
                missing=tuple(outcome.missing),
                damaged=tuple(outcome.damaged),
                number=max([0, *numbers.values()]) + 1,
            )
            (work / MANIFEST).write_bytes(dump_manifest(manifest))
            stored = [file_name(outcome.name, name) for name in (LISTING, DATABASE, MANIFEST)]
            for name in stored:  # the manifest makes it whole
                target.put(name, work / PurePosixPath(name).name)
            names = [*present, *stored]
            try:
                outcome.deleted, outcome.unreadable = prune(target, names, keep, work)
            except LabellingError as exc:  # this backup is whole: another one would not help
                outcome.prune_error = str(exc)
        return outcome

    def _require_wanted(self) -> None:
        if self._cancelled():
            raise BackupCancelled("The backup was stopped.")

    @contextmanager
    def _working(self) -> Iterator[Path]:
        """Keep other backups of the data folder away; provide an empty folder."""
        work = self._data / WORK
        descriptor = os.open(self._data / LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                raise BackupRunning("Another backup is being made: wait until it ends.") from exc
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(mode=0o700)
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)
        finally:
            os.close(descriptor)

    def _copy_originals(
        self,
        copy: Database,
        target: BackupTarget,
        present: dict[str, int],
        listing: Path,
        outcome: Outcome,
        show: Callable[[int], None],
    ) -> None:
        blobs = SqliteBlobRepository(copy, self._clock)
        read = 0
        with (
            listing.open("w", encoding="utf-8") as lines,
            ThreadPoolExecutor(self._threads) as pool,
        ):
            for page in pages_of(blobs):
                wanted = [blob for blob in page if has_bytes(blob)]
                stored = pool.map(lambda blob: self._store(blob, target, present), wanted)
                for blob, original in zip(wanted, stored, strict=True):
                    if original is None:
                        self._note_absent(blob, blobs, outcome)
                        continue
                    lines.write(dump_original(original))
                    outcome.originals += 1
                    outcome.original_bytes += original.part.bytes
                    outcome.copied += original.name not in present
                    if digest := recorded_digest(blob):
                        outcome.damaged += [blob.key] * (original.part.sha256 != digest)
                read += len(page)
                show(read)

    def _store(self, blob: Blob, target: BackupTarget, present: dict[str, int]) -> Original | None:
        """Store a blob's bytes, unless the target has them. Return None if they can't be read."""
        self._require_wanted()
        digest = recorded_digest(blob)
        if digest and blob.size is not None and present.get(original_name(digest)) == blob.size:
            return Original(blob.key, Part(digest, blob.size))

        def copy(path: Path) -> Original:
            original = Original(blob.key, digest_of(path))
            if present.get(original.name) != original.part.bytes:
                target.put(original.name, path)
            return original

        try:
            return use_file(self._storage, blob.key, copy)
        except ObjectNotFound:
            return None
        except OSError as exc:  # of the picture: the target's errors are Unavailable
            if not is_disk_error(exc):
                raise
            return None

    def _note_absent(self, blob: Blob, copied: SqliteBlobRepository, outcome: Outcome) -> None:
        if self._stores.blobs.get(blob.id) is None:
            copied.delete(blob, self._clock())
        else:
            outcome.missing.append(blob.key)


def pages_of(blobs: BlobRepository) -> Iterator[Sequence[Blob]]:
    """Read all blobs, some hundreds at a time."""
    after: str | None = None
    while True:
        page, after = blobs.scan(None, PAGE, after)
        yield page
        if after is None:
            return


def recorded_digest(blob: Blob) -> str | None:
    """Return the SHA-256 of the uploaded bytes in hexadecimal digits, if the blob has it."""
    return base64.b64decode(blob.sha256).hex() if blob.sha256 else None


def prune(
    target: BackupTarget, names: Sequence[str], keep: int | None, work: Path
) -> tuple[list[str], list[str]]:
    """Delete all but the newest whole backups, and the pictures that the others do not need.

    Return the whole backups that were deleted, and the kept ones whose pictures can't be known:
    then no picture is deleted. `names` are those in the target; pictures that were stored just now
    may be left out, because a whole backup needs them. `work` is a folder for copies of manifests
    and listings.
    """
    backups = backups_in(names)
    whole = by_age(read_numbers(target, [each for each in backups if backups[each]], work))
    deleted = surplus(backups, whole, keep)
    used: set[str] = set()
    unreadable = []
    for backup in sorted(backups.keys() - set(deleted)):
        try:
            used.update(original.name for original in read_listing(target, backup, work))
        except (BackupDamaged, ObjectNotFound):
            unreadable.append(backup)
    for backup in deleted:
        files = [name for name in names if name.startswith(file_name(backup, ""))]
        for name in sorted(files, key=lambda name: not name.endswith(MANIFEST)):
            target.delete(name)
    for name in unused(names, used) if not unreadable else ():
        target.delete(name)
    return [backup for backup in deleted if backups[backup]], unreadable
