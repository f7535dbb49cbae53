"""A check of a data folder finds what is wrong, and only that; repairs lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.blob import Blob
from core.storage.files import path_of
from embedded.backup.create import BackupMaker
from embedded.backup.targets import FolderTarget
from embedded.change_feed import FEED
from embedded.settings import Settings
from embedded.stores import Stores, open_stores
from embedded.verification import Report, Verifier
from tests.conftest import SettableClock
from tests.support.blobs import a_blob
from tests.unit.embedded.backup.test_backup import add


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def stores(data: Path) -> Iterator[Stores]:
    opened = open_stores(Settings(data=data))
    yield opened
    opened.database.close()


@pytest.fixture
def blob(data: Path, stores: Stores) -> Blob:
    """A labelled blob whose labels are counted."""
    blob = add(data, stores, b"picture", owner="Zoë + Söhne")
    add_counted(stores, blob)
    return blob


def add_counted(stores: Stores, blob: Blob) -> None:
    stores.blobs.count_labels(blob.owner, blob.id, blob.version, ["Cat"])
    (last,) = stores.blobs.changes.read_after(0, 1000)[-1:]
    with stores.database.write():
        stores.blobs.changes.save_position(FEED, last.sequence)


def check(data: Path, stores: Stores, **options: object) -> Report:
    return Verifier(data, stores, **options).check()  # type: ignore[arg-type]


def found(report: Report) -> list[tuple[str, bool]]:
    return [(problem.subject, problem.repaired is not None) for problem in report.problems]


def test_sound_folder_has_no_problems(data: Path, stores: Stores, blob: Blob) -> None:
    """Blobs without bytes included."""
    stores.blobs.create(a_blob())
    report = check(data, stores)
    assert report == Report(blobs=2, originals=1, counts_checked=True, problems=())


@pytest.mark.parametrize("content", [None, b"", b"pictura", b"picture and more"])
def test_missing_or_other_bytes_are_found(
    data: Path, stores: Stores, blob: Blob, content: bytes | None
) -> None:
    path = path_of(data, blob.key)
    path.unlink() if content is None else path.write_bytes(content)
    assert found(check(data, stores)) == [(blob.key, False)]
    assert found(check(data, stores, repair=True)) == [(blob.key, False)]


def test_repair_takes_bytes_from_a_backup(
    data: Path, stores: Stores, blob: Blob, tmp_path: Path, clock: SettableClock
) -> None:
    target = FolderTarget(tmp_path / "target")
    BackupMaker(data, stores, clock).make(target, keep=1)
    path_of(data, blob.key).write_bytes(b"pictura")
    assert found(check(data, stores, repair=True, source=target)) == [(blob.key, True)]
    assert path_of(data, blob.key).read_bytes() == b"picture"
    assert check(data, stores).problems == ()


def test_backup_with_damaged_bytes_repairs_nothing(
    data: Path, stores: Stores, blob: Blob, tmp_path: Path, clock: SettableClock
) -> None:
    target = FolderTarget(tmp_path / "target")
    BackupMaker(data, stores, clock).make(target, keep=1)
    for stored in (tmp_path / "target" / "originals").rglob("*"):
        if stored.is_file():
            stored.write_bytes(b"worse")
    path_of(data, blob.key).unlink()
    assert found(check(data, stores, repair=True, source=target)) == [(blob.key, False)]
    assert not path_of(data, blob.key).exists()


@pytest.mark.parametrize("key", ["originals/anna/unknown", "originals/lost.png"])
def test_file_without_a_blob_is_set_aside(data: Path, stores: Stores, blob: Blob, key: str) -> None:
    path = path_of(data, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"whose?")
    assert found(check(data, stores)) == [(key, False)]
    assert found(check(data, stores, repair=True)) == [(key, True)]
    assert (data / "orphans" / key.removeprefix("originals/")).read_bytes() == b"whose?"
    assert check(data, stores).problems == ()
    assert path_of(data, blob.key).exists()


def test_file_under_another_owners_name_has_no_blob(data: Path, stores: Stores, blob: Blob) -> None:
    path_of(data, f"originals/boris/{blob.id}").parent.mkdir(parents=True)
    path_of(data, f"originals/boris/{blob.id}").write_bytes(b"picture")
    assert found(check(data, stores)) == [(f"originals/boris/{blob.id}", False)]


def test_file_of_a_blob_that_was_just_deleted_is_no_problem(
    data: Path, stores: Stores, blob: Blob, clock: SettableClock
) -> None:
    """The service deletes it, or looks for it again."""
    stores.blobs.delete(blob, clock())
    assert check(data, stores).problems == ()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE label_summaries SET blob_count = 7",
        "DELETE FROM label_summaries",
        "INSERT INTO label_summaries SELECT owner, 'dog', 'Dog', 2 FROM label_summaries",
    ],
)
def test_wrong_counts_are_found_and_corrected(
    data: Path, stores: Stores, blob: Blob, damage: str
) -> None:
    right = stores.blobs.find_labels(blob.owner, "", first=9)
    with stores.database.write() as connection:
        connection.execute(damage)
    (problem,) = check(data, stores).problems
    assert blob.owner in problem.subject
    assert [done for _, done in found(check(data, stores, repair=True))] == [True]
    assert check(data, stores).problems == ()
    assert stores.blobs.find_labels(blob.owner, "", first=9) == right


def test_counts_are_not_checked_while_changes_wait(data: Path, stores: Stores) -> None:
    """A running service counts them soon."""
    add(data, stores, b"picture")
    report = check(data, stores, repair=True)
    assert (report.counts_checked, report.problems) == (False, ())


def test_damaged_database_is_found(data: Path, stores: Stores, blob: Blob) -> None:
    """An index that lacks an entry."""
    with stores.database.write() as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'blob_count INTEGER NOT NULL',"
            " 'blob_count INTEGER NOT NULL CHECK (blob_count > 5)') WHERE name = 'label_summaries'"
        )
    stores.database.close()
    opened = open_stores(Settings(data=data))
    assert ("labelling.sqlite", False) in found(check(data, opened))
    opened.database.close()
