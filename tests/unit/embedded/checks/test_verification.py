"""A check of a data folder finds what is wrong, and only that; repairs lose nothing."""

from __future__ import annotations

import errno
from collections.abc import Collection
from pathlib import Path

import pytest

from core.domain.blob import Blob
from core.domain.deletion import set_deletion
from core.storage.files import path_of
from embedded.backup.create import BackupMaker
from embedded.backup.targets import FolderTarget
from embedded.change_feed import FEED
from embedded.checks.verification import Report, Verifier
from embedded.settings import Settings
from embedded.stores import Stores, open_stores
from tests.conftest import SettableClock
from tests.support.blobs import NOON, a_blob
from tests.support.services.data_folder import add_labelled


@pytest.fixture
def blob(data: Path, opened: Stores) -> Blob:
    """A labelled blob whose labels are counted."""
    blob = add_labelled(data, opened, b"picture", owner="Zoë + Söhne")
    add_counted(opened, blob)
    return blob


def add_counted(opened: Stores, blob: Blob, names: Collection[str] = ("Cat",)) -> None:
    opened.blobs.count_labels(blob.owner, blob.id, blob.version, names)
    (last,) = opened.blobs.changes.read_after(0, 1000)[-1:]
    with opened.database.write():
        opened.blobs.changes.save_position(FEED, last.sequence)


def check(data: Path, opened: Stores, **options: object) -> Report:
    return Verifier(data, opened, **options).check()  # type: ignore[arg-type]


def found(report: Report) -> list[tuple[str, bool]]:
    return [(problem.subject, problem.repaired is not None) for problem in report.problems]


def test_sound_folder_has_no_problems(data: Path, opened: Stores, blob: Blob) -> None:
    """Blobs without bytes included."""
    opened.blobs.create(a_blob())
    report = check(data, opened)
    assert report == Report(blobs=2, originals=1, counts_checked=True, problems=())


def test_blob_that_waits_to_be_deleted_has_no_problem(
    data: Path, opened: Stores, blob: Blob
) -> None:
    """Its labels are not counted, and its bytes are checked."""
    waiting = set_deletion(blob, NOON, NOON)
    opened.blobs.save(waiting, blob)
    add_counted(opened, waiting, [])
    assert check(data, opened) == Report(blobs=1, originals=1, counts_checked=True, problems=())
    path_of(data, blob.key).unlink()
    assert found(check(data, opened)) == [(blob.key, False)]


@pytest.mark.parametrize("content", [None, b"", b"pictura", b"picture and more"])
def test_missing_or_other_bytes_are_found(
    data: Path, opened: Stores, blob: Blob, content: bytes | None
) -> None:
    path = path_of(data, blob.key)
    path.unlink() if content is None else path.write_bytes(content)
    assert found(check(data, opened)) == [(blob.key, False)]
    assert found(check(data, opened, repair=True)) == [(blob.key, False)]


def test_repair_takes_bytes_from_a_backup(
    data: Path, opened: Stores, blob: Blob, tmp_path: Path, clock: SettableClock
) -> None:
    target = FolderTarget(tmp_path / "target")
    BackupMaker(data, opened, clock).make(target, keep=1)
    path_of(data, blob.key).write_bytes(b"pictura")
    assert found(check(data, opened, repair=True, source=target)) == [(blob.key, True)]
    assert path_of(data, blob.key).read_bytes() == b"picture"
    assert check(data, opened).problems == ()


def test_bytes_that_the_disk_cannot_read_are_taken_from_a_backup(
    data: Path,
    opened: Stores,
    blob: Blob,
    tmp_path: Path,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = FolderTarget(tmp_path / "target")
    BackupMaker(data, opened, clock).make(target, keep=1)

    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("embedded.checks.verification.digest_of", fail)
        (problem,) = check(data, opened).problems
        assert problem.what == "its bytes can't be read: Input/output error"
        path_of(data, blob.key).write_bytes(b"unreadable")
        assert found(check(data, opened, repair=True, source=target)) == [(blob.key, True)]
    assert path_of(data, blob.key).read_bytes() == b"picture"


def test_backup_with_damaged_bytes_repairs_nothing(
    data: Path, opened: Stores, blob: Blob, tmp_path: Path, clock: SettableClock
) -> None:
    target = FolderTarget(tmp_path / "target")
    BackupMaker(data, opened, clock).make(target, keep=1)
    for stored in (tmp_path / "target" / "originals").rglob("*"):
        if stored.is_file():
            stored.write_bytes(b"worse")
    path_of(data, blob.key).unlink()
    assert found(check(data, opened, repair=True, source=target)) == [(blob.key, False)]
    assert not path_of(data, blob.key).exists()


@pytest.mark.parametrize("key", ["originals/anna/unknown", "originals/lost.png"])
def test_file_without_a_blob_is_set_aside(data: Path, opened: Stores, blob: Blob, key: str) -> None:
    path = path_of(data, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"whose?")
    assert found(check(data, opened)) == [(key, False)]
    assert found(check(data, opened, repair=True)) == [(key, True)]
    assert (data / "orphans" / key.removeprefix("originals/")).read_bytes() == b"whose?"
    assert check(data, opened).problems == ()
    assert path_of(data, blob.key).exists()


def test_file_under_another_owners_name_has_no_blob(data: Path, opened: Stores, blob: Blob) -> None:
    path_of(data, f"originals/boris/{blob.id}").parent.mkdir(parents=True)
    path_of(data, f"originals/boris/{blob.id}").write_bytes(b"picture")
    assert found(check(data, opened)) == [(f"originals/boris/{blob.id}", False)]


def test_file_of_a_blob_that_was_just_deleted_is_no_problem(
    data: Path, opened: Stores, blob: Blob, clock: SettableClock
) -> None:
    """The service deletes it, or looks for it again."""
    opened.blobs.delete(blob, clock())
    assert check(data, opened).problems == ()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE label_summaries SET blob_count = 7",
        "DELETE FROM label_summaries",
        "INSERT INTO label_summaries SELECT owner, 'dog', 'Dog', 2 FROM label_summaries",
    ],
)
def test_wrong_counts_are_found_and_corrected(
    data: Path, opened: Stores, blob: Blob, damage: str
) -> None:
    right = opened.blobs.find_labels(blob.owner, "", first=9)
    with opened.database.write() as connection:
        connection.execute(damage)
    (problem,) = check(data, opened).problems
    assert blob.owner in problem.subject
    assert [done for _, done in found(check(data, opened, repair=True))] == [True]
    assert check(data, opened).problems == ()
    assert opened.blobs.find_labels(blob.owner, "", first=9) == right


def test_counts_are_not_checked_while_changes_wait(data: Path, opened: Stores) -> None:
    """A running service counts them soon."""
    add_labelled(data, opened, b"picture")
    report = check(data, opened, repair=True)
    assert (report.counts_checked, report.problems) == (False, ())


def test_damaged_database_is_found(data: Path, opened: Stores, blob: Blob) -> None:
    """An index that lacks an entry."""
    with opened.database.write() as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'blob_count INTEGER NOT NULL',"
            " 'blob_count INTEGER NOT NULL CHECK (blob_count > 5)') WHERE name = 'label_summaries'"
        )
    opened.database.close()
    opened = open_stores(Settings(data=data))
    assert ("labelling.sqlite", False) in found(check(data, opened))
    opened.database.close()
