"""A target has the backups of one data folder, and is apart from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.domain.errors import InvalidValue
from embedded.backup.create import BackupMaker
from embedded.backup.manifest import OWNER
from embedded.backup.ownership import TargetInUse, data_id
from embedded.backup.restore import restore, verify_backup
from embedded.backup.separation import require_apart
from embedded.backup.targets import FolderTarget
from embedded.settings import Settings
from embedded.stores import Stores, open_stores
from tests.conftest import SettableClock
from tests.support.services.data_folder import add_labelled


@pytest.fixture
def target(tmp_path: Path) -> FolderTarget:
    return FolderTarget(tmp_path / "target")


def back_up(data: Path, target: FolderTarget, clock: SettableClock) -> None:
    stores = open_stores(Settings(data=data))
    try:
        BackupMaker(data, stores, clock).make(target, keep=1)
    finally:
        stores.database.close()


def test_target_of_another_data_folder_is_refused_and_keeps_all(
    data: Path, opened: Stores, target: FolderTarget, tmp_path: Path, clock: SettableClock
) -> None:
    add_labelled(data, opened, b"picture")
    back_up(data, target, clock)
    before = dict(target.sizes())
    with pytest.raises(TargetInUse, match=f"id {data_id(opened.database)};.*another target"):
        back_up(tmp_path / "other", target, clock)
    assert dict(target.sizes()) == before
    assert verify_backup(target, None).problems == {}


def test_target_is_refused_before_its_first_backup_is_whole(
    data: Path, opened: Stores, target: FolderTarget, tmp_path: Path, clock: SettableClock
) -> None:
    """The other folder would delete the pictures that were copied so far."""

    class Interrupting(FolderTarget):
        tried = False

        def put(self, name: str, source: Path) -> None:
            super().put(name, source)
            if name.startswith("originals/"):
                self.tried = True
                with pytest.raises(TargetInUse):
                    back_up(tmp_path / "other", target, clock)

    add_labelled(data, opened, b"picture")
    first = Interrupting(tmp_path / "target")
    back_up(data, first, clock)
    assert first.tried
    assert verify_backup(target, None).problems == {}


def test_restored_folder_goes_on_with_the_target(
    data: Path, opened: Stores, target: FolderTarget, tmp_path: Path, clock: SettableClock
) -> None:
    add_labelled(data, opened, b"picture")
    back_up(data, target, clock)
    restore(target, None, tmp_path / "new")
    back_up(tmp_path / "new", target, clock)


def test_target_of_an_earlier_version_is_taken_over(
    data: Path, opened: Stores, target: FolderTarget, tmp_path: Path, clock: SettableClock
) -> None:
    """It has no mark."""
    add_labelled(data, opened, b"picture")
    back_up(data, target, clock)
    (tmp_path / "target" / OWNER).unlink()
    back_up(data, target, clock)
    with pytest.raises(TargetInUse):
        back_up(tmp_path / "other", target, clock)


@pytest.mark.parametrize("place", ["data", "data/backups", ".", "link/backups", "data/../data/x"])
def test_target_and_data_folder_are_apart(tmp_path: Path, place: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    with pytest.raises(InvalidValue, match="beside it"):
        require_apart(str(tmp_path / place), tmp_path / "data")
    require_apart(str(tmp_path / "data-backups"), tmp_path / "data")


@pytest.mark.parametrize(
    ("target", "images", "is_apart"),
    [
        ("s3://pictures", "s3://pictures", False),
        ("s3://pictures/a/", "s3://pictures/a", False),
        ("s3://pictures/originals/x", "s3://pictures", False),
        ("s3://pictures", "s3://pictures/backups", False),
        ("s3://pictures/nightly", "s3://pictures", True),
        ("s3://pictures", "s3://pictures/live", True),
        ("s3://pictures/a", "s3://pictures/ab", True),
        ("s3://others", "s3://pictures", True),
        ("s3://pictures", "s3://pictures?endpoint=https://storage.example.com", True),
        ("s3://pictures", None, True),
    ],
)
def test_target_and_bucket_of_images_are_apart(
    tmp_path: Path, target: str, images: str | None, is_apart: bool
) -> None:
    if is_apart:
        require_apart(target, tmp_path, images)
        return
    with pytest.raises(InvalidValue, match="another bucket or prefix"):
        require_apart(target, tmp_path, images)
