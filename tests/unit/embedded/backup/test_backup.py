"""Backups of real stores: whole or absent, incremental, and restored as they were."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.domain.blob import Blob, BlobStatus, Failure, FailureCode, record_failure
from core.domain.deletion import set_deletion
from core.domain.errors import Unavailable
from core.storage.files import path_of
from embedded.backup import read
from embedded.backup.create import BackupCancelled, BackupMaker, BackupRunning
from embedded.backup.manifest import (
    DAMAGED,
    MISSING,
    BackupDamaged,
    Part,
    backups_in,
    original_name,
)
from embedded.backup.read import NoBackup
from embedded.backup.restore import FolderInUse, restore, verify_backup
from embedded.backup.targets import FolderTarget
from embedded.settings import Settings
from embedded.stores import Stores, open_stores
from tests.conftest import SettableClock
from tests.support.blobs import NOON, a_blob
from tests.support.services.data_folder import add_labelled

NEVER = 1000


@pytest.fixture
def target(tmp_path: Path) -> FolderTarget:
    return FolderTarget(tmp_path / "target")


@pytest.fixture
def maker(data: Path, opened: Stores, clock: SettableClock) -> BackupMaker:
    return BackupMaker(data, opened, clock)


def everything(data: Path) -> dict[str, bytes]:
    """The pictures of a data folder."""
    root = data / "originals"
    return {str(p.relative_to(data)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def blobs_in(data: Path) -> dict[str, Blob]:
    opened = open_stores(Settings(data=data))
    found, _ = opened.blobs.scan(None, NEVER)
    opened.database.close()
    return {blob.id: blob for blob in found}


def test_restored_folder_is_the_one_that_was_backed_up(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, tmp_path: Path
) -> None:
    blobs = [add_labelled(data, opened, b"%d" % number, owner="Zoë + Söhne") for number in range(5)]
    awaiting = a_blob()
    opened.blobs.create(awaiting)
    waiting = set_deletion(blobs[4], NOON, NOON)
    opened.blobs.save(waiting, blobs[4])
    blobs[4] = waiting
    made = maker.make(target, keep=7)
    assert (made.originals, made.copied, made.missing, made.damaged) == (5, 5, [], [])

    done = restore(target, None, tmp_path / "new")
    assert (done.backup, done.pictures, done.problems) == (made.name, 5, {})
    assert blobs_in(tmp_path / "new") == {blob.id: blob for blob in (*blobs, awaiting)}
    assert everything(tmp_path / "new") == everything(data)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "labelling.sqlite").stat().st_mode & 0o777 == 0o600


def test_only_new_pictures_are_copied(
    data: Path,
    opened: Stores,
    maker: BackupMaker,
    target: FolderTarget,
    clock: SettableClock,
    tmp_path: Path,
) -> None:
    first = add_labelled(data, opened, b"first")
    maker.make(target, keep=7)
    path_of(data, first.key).write_bytes(b"worse")  # the target has the right bytes
    add_labelled(data, opened, b"second")
    add_labelled(data, opened, b"first")  # equal bytes are stored once
    clock.now = clock.now.replace(hour=13)
    assert (made := maker.make(target, keep=7)).copied == 1
    assert made.originals == 3
    restore(target, None, tmp_path / "new")
    assert sorted(everything(tmp_path / "new").values()) == [b"first", b"first", b"second"]


def target_file(target: FolderTarget, backup: str, file: str) -> Path:
    """A file of a backup in a folder."""
    return target._root / "backups" / backup / file


class Failing(FolderTarget):
    """Stores so many files, then fails as a process that is killed: it does nothing more."""

    def __init__(self, root: Path, allowed: int) -> None:
        super().__init__(root)
        self.allowed = allowed

    def put(self, name: str, source: Path) -> None:
        self._allow()
        super().put(name, source)

    def delete(self, name: str) -> None:
        self._allow()
        super().delete(name)

    def _allow(self) -> None:
        self.allowed -= 1
        if self.allowed < 0:
            raise Unavailable("The target is gone.")


def test_interrupted_backup_leaves_the_whole_ones_and_nothing_that_passes_for_whole(
    data: Path, opened: Stores, maker: BackupMaker, tmp_path: Path, clock: SettableClock
) -> None:
    """Interrupted before each file that it opened or deletes, one after the other."""
    root = tmp_path / "target"
    add_labelled(data, opened, b"first")
    names = [maker.make(FolderTarget(root), keep=1).name]
    steps = 0
    while True:
        clock.now = clock.now.replace(minute=clock.now.minute + 1)
        content = b"picture %d" % steps
        add_labelled(data, opened, content)
        target = Failing(root, allowed=steps)
        made = None
        with suppress(Unavailable):
            made = maker.make(target, keep=1)
        if made and not made.prune_error:
            break
        newest = verify_backup(FolderTarget(root), None)
        assert newest.problems == {}
        assert (newest.backup not in names) == bool(made)  # whole: older ones were being deleted
        names.append(newest.backup)
        steps += 1
    assert steps > 4  # picture, listing, database, manifest, and what was deleted
    assert verify_backup(FolderTarget(root), None).backup == made.name
    assert {name.split("/")[1] for name, _ in FolderTarget(root).sizes() if "backups" in name} == {
        made.name
    }


def test_blob_deleted_meanwhile_is_not_in_the_backup(
    data: Path, opened: Stores, target: FolderTarget, clock: SettableClock, tmp_path: Path
) -> None:
    kept, deleted = add_labelled(data, opened, b"kept"), add_labelled(data, opened, b"deleted")

    class Deleting(FolderTarget):
        """The blob is deleted after the database was copied."""

        def put(self, name: str, source: Path) -> None:
            if opened.blobs.get(deleted.id):
                opened.blobs.delete(deleted, clock())
                path_of(data, deleted.key).unlink()
            super().put(name, source)

    # One thread, so that the picture that is stored first is the other one.
    maker = BackupMaker(data, opened, clock, threads=1)
    made = maker.make(Deleting(tmp_path / "target"), keep=7)
    assert (made.originals, made.missing) == (1, [])
    assert restore(target, None, tmp_path / "new").problems == {}
    assert blobs_in(tmp_path / "new").keys() == {kept.id}


def test_missing_and_damaged_bytes_are_told(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, tmp_path: Path
) -> None:
    """The backup has everything else."""
    missing, damaged, whole = (add_labelled(data, opened, text) for text in (b"1", b"2", b"3"))
    path_of(data, missing.key).unlink()
    path_of(data, damaged.key).write_bytes(b"x")
    made = maker.make(target, keep=7)
    assert (made.missing, made.damaged, made.originals) == ([missing.key], [damaged.key], 2)
    told = {missing.key: MISSING, damaged.key: DAMAGED}
    assert verify_backup(target, None).problems == told
    done = restore(target, None, tmp_path / "new")
    assert (done.pictures, done.problems, done.recorded) == (3, told, True)
    assert blobs_in(tmp_path / "new").keys() == {missing.id, damaged.id, whole.id}


def test_picture_that_is_damaged_here_and_lost_in_the_target_is_one_problem(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, tmp_path: Path
) -> None:
    damaged = add_labelled(data, opened, b"1")
    path_of(data, damaged.key).write_bytes(b"x")
    maker.make(target, keep=7)
    path_of(tmp_path / "target", original_name(hashlib.sha256(b"x").hexdigest())).unlink()
    done = verify_backup(target, None)
    assert (done.pictures, done.problems.keys()) == (1, {damaged.key})


def test_failed_blob_without_bytes_is_not_missing(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget
) -> None:
    blob = a_blob(status=BlobStatus.LABELLING)
    opened.blobs.create(blob)
    failure = Failure(FailureCode.TOO_LARGE, "It is too large.")
    opened.blobs.save(record_failure(blob, blob.created_at, failure), blob)
    assert maker.make(target, keep=7).missing == []


def test_old_backups_are_deleted_with_their_pictures(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, clock: SettableClock
) -> None:
    old = add_labelled(data, opened, b"old")
    for hour in (13, 14, 15):
        clock.now = clock.now.replace(hour=hour)
        maker.make(target, keep=2)
        if hour == 13:
            opened.blobs.delete(old, clock())
            path_of(data, old.key).unlink()
            add_labelled(data, opened, b"new")
    names = [name for name, _ in target.sizes()]
    assert [name for name in names if name.startswith("originals/")] == [
        original_name(hashlib.sha256(b"new").hexdigest())
    ]
    assert sorted(name.split("/")[1] for name in names if name.endswith("manifest.json")) == [
        "20260131T140000Z",
        "20260131T150000Z",
    ]


def test_backup_that_cannot_be_listed_keeps_its_pictures(
    data: Path,
    opened: Stores,
    maker: BackupMaker,
    target: FolderTarget,
    tmp_path: Path,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As one that another user made, or one on a disk with errors."""
    old = add_labelled(data, opened, b"old")
    first = maker.make(target, keep=7)
    opened.blobs.delete(old, clock())
    path_of(data, old.key).unlink()
    hidden, scandir = tmp_path / "target" / "backups" / first.name, os.scandir

    def scan(path: Path | int) -> Iterator[os.DirEntry[str]]:
        if str(path) == str(hidden):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scan)
        with pytest.raises(Unavailable, match="Permission denied"):
            maker.make(target, keep=7)
    assert verify_backup(target, first.name).problems == {}


def fail_to_read(name: str, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let the disk fail at each file of a name."""
    digest_of = read.digest_of

    def digest_or_fail(path: Path) -> Part:
        if path.name == name:
            raise OSError(errno.EIO, "Input/output error")
        return digest_of(path)

    monkeypatch.setattr(f"{module}.digest_of", digest_or_fail)


def test_picture_that_the_disk_cannot_read_does_not_prevent_a_backup(
    data: Path,
    opened: Stores,
    maker: BackupMaker,
    target: FolderTarget,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unreadable, _ = add_labelled(data, opened, b"1"), add_labelled(data, opened, b"2")
    fail_to_read(path_of(data, unreadable.key).name, monkeypatch, "embedded.backup.create")
    made = maker.make(target, keep=7)
    assert (made.missing, made.originals) == ([unreadable.key], 1)


class FailingDisk(FolderTarget):
    """A target whose disk can't read any picture."""

    def get(self, name: str, into: Path) -> None:
        """Copy what has a name, unless it is a picture."""
        if name.startswith("originals/"):
            error = OSError(errno.EIO, "Input/output error")
            raise Unavailable(f"The file of {name} can't be read or written: {error}") from error
        super().get(name, into)


def test_backup_with_a_picture_that_the_disk_cannot_read_is_restored_without_it(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, tmp_path: Path
) -> None:
    unreadable = add_labelled(data, opened, b"1")
    maker.make(target, keep=7)
    failing = FailingDisk(tmp_path / "target")
    for done in (verify_backup(failing, None), restore(failing, None, tmp_path / "new")):
        assert done.problems.keys() == {unreadable.key}
        assert "Input/output error" in done.problems[unreadable.key]
    assert blobs_in(tmp_path / "new").keys() == {unreadable.id}


def test_backup_without_a_number_to_keep_deletes_no_backup(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, clock: SettableClock
) -> None:
    add_labelled(data, opened, b"picture")
    for hour in range(10):
        clock.now = clock.now.replace(hour=hour)
        assert maker.make(target, keep=None).deleted == []
    assert len(backups_in(name for name, _ in target.sizes())) == 10
    clock.now = clock.now.replace(hour=10)
    made = maker.make(target, keep=9)
    assert made.deleted == ["20260131T000000Z", "20260131T010000Z"]


def test_backup_dated_in_the_future_is_not_taken_for_the_newest(
    data: Path,
    opened: Stores,
    maker: BackupMaker,
    target: FolderTarget,
    clock: SettableClock,
    tmp_path: Path,
) -> None:
    """The clock was ten years ahead once; --keep 1 keeps the backup that was made last."""
    add_labelled(data, opened, b"first")
    clock.now += timedelta(days=3650)
    future = maker.make(target, keep=None)
    clock.now -= timedelta(days=3650)
    add_labelled(data, opened, b"second")
    kept = maker.make(target, keep=2)
    assert (kept.later_dated, kept.deleted) == ([future.name], [])
    assert verify_backup(target, None).backup == kept.name
    add_labelled(data, opened, b"third")
    clock.now += timedelta(hours=1)
    made = maker.make(target, keep=1)
    assert (made.later_dated, made.deleted) == ([future.name], [kept.name, future.name])
    assert restore(target, None, tmp_path / "new").pictures == 3


def test_backup_of_an_earlier_version_is_older_than_a_new_one_whatever_its_date(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, clock: SettableClock
) -> None:
    """Its manifest has no number."""
    add_labelled(data, opened, b"first")
    clock.now += timedelta(days=3650)
    old = maker.make(target, keep=None)
    manifest = target_file(target, old.name, "manifest.json")
    fields = json.loads(manifest.read_text())
    del fields["number"]
    manifest.write_text(json.dumps(fields | {"format": 2}))
    clock.now -= timedelta(days=3650)
    made = maker.make(target, keep=1)
    assert (made.deleted, verify_backup(target, None).backup) == ([old.name], made.name)


def test_damaged_manifest_counts_as_oldest_and_is_told_where_it_may_be_the_newest(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, clock: SettableClock
) -> None:
    add_labelled(data, opened, b"first")
    clock.now += timedelta(days=3650)
    damaged = maker.make(target, keep=None)
    target_file(target, damaged.name, "manifest.json").write_text("{")
    with pytest.raises(BackupDamaged):
        verify_backup(target, None)
    clock.now -= timedelta(days=3650)
    made = maker.make(target, keep=1)
    assert (made.deleted, verify_backup(target, None).backup) == ([damaged.name], made.name)


def test_second_backup_at_the_same_time_is_refused(
    data: Path, opened: Stores, maker: BackupMaker, tmp_path: Path, clock: SettableClock
) -> None:
    class Nested(FolderTarget):
        def sizes(self) -> Iterator[tuple[str, int]]:
            with pytest.raises(BackupRunning, match="wait"):
                BackupMaker(data, opened, clock).make(FolderTarget(tmp_path / "other"), keep=1)
            return super().sizes()

    maker.make(Nested(tmp_path / "target"), keep=1)
    assert not (tmp_path / "other").exists()


def test_cancelled_backup_leaves_none(
    data: Path, opened: Stores, target: FolderTarget, clock: SettableClock
) -> None:
    add_labelled(data, opened, b"picture")
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(BackupCancelled):
        BackupMaker(data, opened, clock, cancelled=stopping.is_set).make(target, keep=1)
    assert list(target.sizes()) == []
    assert not (data / ".backup").exists()


def test_restoring_needs_an_empty_folder(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, tmp_path: Path
) -> None:
    maker.make(target, keep=1)
    with pytest.raises(FolderInUse, match="not empty"):
        restore(target, None, data)
    (tmp_path / "empty").mkdir()
    restore(target, None, tmp_path / "empty")
    assert blobs_in(tmp_path / "empty") == {}


def test_backup_that_does_not_exist_is_an_error(
    maker: BackupMaker, target: FolderTarget, tmp_path: Path
) -> None:
    with pytest.raises(NoBackup, match="no whole"):
        restore(target, None, tmp_path / "new")
    made = maker.make(target, keep=1)
    with pytest.raises(NoBackup, match=made.name):
        restore(target, "20200101T000000Z", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("file", ["labelling.sqlite", "originals.tsv", "manifest.json"])
def test_damaged_backup_is_not_restored(
    data: Path,
    opened: Stores,
    maker: BackupMaker,
    target: FolderTarget,
    tmp_path: Path,
    file: str,
) -> None:
    add_labelled(data, opened, b"picture")
    made = maker.make(target, keep=1)
    path = tmp_path / "target" / "backups" / made.name / file
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    with pytest.raises(BackupDamaged, match=file):
        restore(target, None, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_damaged_picture_is_left_out_and_told(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, tmp_path: Path
) -> None:
    add_labelled(data, opened, b"whole")
    worse, lost = add_labelled(data, opened, b"worse"), add_labelled(data, opened, b"lost")
    maker.make(target, keep=1)
    for blob, content in ((worse, b"WORSE"), (lost, None)):
        path = path_of(
            tmp_path / "target",
            original_name(hashlib.sha256(path_of(data, blob.key).read_bytes()).hexdigest()),
        )
        path.write_bytes(content) if content else path.unlink()
    for done in (verify_backup(target, None), restore(target, None, tmp_path / "new")):
        assert done.problems.keys() == {worse.key, lost.key}
    assert list(everything(tmp_path / "new").values()) == [b"whole"]


def test_interrupted_restoration_continues(
    data: Path, opened: Stores, maker: BackupMaker, tmp_path: Path
) -> None:
    """After each file that it fetched, until it has all."""
    for number in range(3):
        add_labelled(data, opened, b"picture %d" % number)
    made = maker.make(FolderTarget(tmp_path / "target"), keep=1)

    class Leaving(FolderTarget):
        allowed = 0

        def get(self, name: str, into: Path) -> None:
            if self.allowed == 0:
                raise Unavailable("The target is gone.")
            self.allowed -= 1
            super().get(name, into)

    target = Leaving(tmp_path / "target")
    rounds = 0
    while True:
        target.allowed = rounds
        try:
            done = restore(target, None, tmp_path / "new")
        except Unavailable:
            assert not (tmp_path / "new").exists()
            rounds += 1
            continue
        break
    assert (done.backup, rounds > 3) == (made.name, True)
    assert everything(tmp_path / "new") == everything(data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "new", "target"]


def test_interrupted_restoration_of_another_backup_starts_again(
    data: Path,
    opened: Stores,
    maker: BackupMaker,
    target: FolderTarget,
    tmp_path: Path,
    clock: SettableClock,
) -> None:
    """Nothing of the other backup is left."""
    old = add_labelled(data, opened, b"old")
    first = maker.make(target, keep=2).name
    opened.blobs.delete(old, clock())
    path_of(data, old.key).unlink()
    clock.now = clock.now.replace(hour=13)
    maker.make(target, keep=2)
    restore(target, first, tmp_path / "new")
    unfinished = tmp_path / "other.restoring"
    (tmp_path / "new").rename(unfinished)
    target.get(f"backups/{first}/manifest.json", unfinished / "manifest.json")
    restore(target, None, tmp_path / "other")
    assert everything(tmp_path / "other") == {}


def test_deleted_blobs_with_equal_bytes_keep_each_other(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget, clock: SettableClock
) -> None:
    """Bytes are deleted from the target with the last backup that lists them."""
    one, _ = add_labelled(data, opened, b"same"), add_labelled(data, opened, b"same")
    maker.make(target, keep=1)
    opened.blobs.delete(one, clock())
    path_of(data, one.key).unlink()
    clock.now = clock.now.replace(hour=13)
    assert maker.make(target, keep=1).originals == 1
    assert verify_backup(target, None).problems == {}


def test_blob_without_a_recorded_digest_is_backed_up(
    data: Path, opened: Stores, maker: BackupMaker, target: FolderTarget
) -> None:
    """As earlier versions stored them."""
    blob = add_labelled(data, opened, b"picture")
    opened.blobs.save(replace(blob, sha256=None, version=blob.version + 1), blob)
    made = maker.make(target, keep=1)
    assert (made.originals, made.copied) == (1, 1)
