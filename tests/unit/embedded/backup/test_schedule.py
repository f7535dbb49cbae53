"""The service backs itself up, as often as its settings say."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from core.domain.errors import Unavailable
from core.runtime.settings import BadSetting
from core.storage.files import path_of
from embedded.backup.manifest import backups_in
from embedded.backup.schedule import UNREADABLE, BackupSchedule, LastBackup, last_backup
from embedded.backup.targets import FolderTarget
from embedded.settings import Settings
from embedded.stores import Stores
from tests.conftest import SettableClock
from tests.support.services.data_folder import add_labelled


@pytest.fixture
def settings(data: Path, tmp_path: Path) -> Settings:
    target = str(tmp_path / "target")
    return Settings(data=data, backup_to=target, backup_hours=24, backup_keep=2)


def made(settings: Settings) -> list[str]:
    names = (name for name, _ in FolderTarget(Path(settings.backup_to or "")).sizes())
    return list(backups_in(names))


def test_backup_is_made_when_it_is_due(
    settings: Settings, opened: Stores, clock: SettableClock
) -> None:
    schedule = BackupSchedule(settings, opened, clock)
    schedule()
    assert made(settings) == ["20260131T120000Z"]
    clock.advance(timedelta(hours=23))
    schedule()
    BackupSchedule(settings, opened, clock)()  # the service started again
    assert len(made(settings)) == 1
    for _ in range(2):
        clock.advance(timedelta(hours=24))
        schedule()
    assert made(settings) == ["20260202T110000Z", "20260203T110000Z"]


def test_backup_of_the_future_does_not_delay_the_next_one(
    settings: Settings, opened: Stores, clock: SettableClock
) -> None:
    """It was made before the clock was set back."""
    schedule = BackupSchedule(settings, opened, clock)
    schedule()
    clock.advance(-timedelta(days=30))
    for _ in range(2):
        schedule()
    assert made(settings) == ["20260101T120000Z", "20260131T120000Z"]


def test_nothing_is_made_without_a_target(
    settings: Settings, opened: Stores, clock: SettableClock, tmp_path: Path
) -> None:
    BackupSchedule(Settings(data=settings.data), opened, clock)()
    assert not (tmp_path / "target").exists()


def test_failure_is_logged_and_the_backup_tried_again(
    settings: Settings,
    opened: Stores,
    clock: SettableClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "target").write_text("a file in place of the folder")
    schedule = BackupSchedule(settings, opened, clock)
    with caplog.at_level(logging.ERROR):
        schedule()
    assert [record.message for record in caplog.records] == ["backup failed"]
    (tmp_path / "target").unlink()
    schedule()
    assert len(made(settings)) == 1


@pytest.mark.parametrize("file", ["originals.tsv", "manifest.json"])
def test_damaged_backup_does_not_repeat_the_next_one_until_earlier_ones_are_gone(
    settings: Settings,
    data: Path,
    opened: Stores,
    clock: SettableClock,
    caplog: pytest.LogCaptureFixture,
    file: str,
) -> None:
    """Its pictures are not known, so that none is deleted from the target."""
    schedule = BackupSchedule(replace(settings, backup_keep=3), opened, clock)
    for content in (b"first", b"second", b"third"):
        blob = add_labelled(data, opened, content)
        schedule()
        opened.blobs.delete(blob, clock())
        path_of(data, blob.key).unlink()
        clock.advance(timedelta(hours=24))
    target = Path(settings.backup_to or "")
    last = made(settings)[-1]
    (target / "backups" / last / file).write_bytes(b"damaged")
    for _ in range(5):
        schedule()
        clock.advance(timedelta(minutes=1))
    days = [name[:8] for name in made(settings)]
    assert (
        days
        == {
            "originals.tsv": ["20260201", "20260202", "20260203"],
            "manifest.json": ["20260131", "20260201", "20260203"],  # it counts as the oldest
        }[file]
    )
    pictures = [path for path in target.glob("originals/*/*") if path.is_file()]
    assert len(pictures) == {"originals.tsv": 3, "manifest.json": 2}[file]
    assert (UNREADABLE in caplog.text) == (file == "originals.tsv")


def test_target_that_deletes_nothing_gets_no_backup_each_minute(
    settings: Settings,
    opened: Stores,
    clock: SettableClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As a bucket whose policy allows no deletion."""

    def refuse(_self: FolderTarget, _name: str) -> None:
        raise Unavailable("access denied")

    monkeypatch.setattr(FolderTarget, "delete", refuse)
    schedule = BackupSchedule(settings, opened, clock)
    for _ in range(4):
        for _ in range(3):
            schedule()
            clock.advance(timedelta(minutes=1))
        clock.advance(timedelta(hours=24))
    assert len(made(settings)) == 4
    assert [each.message for each in caplog.records if each.levelno == logging.ERROR] == [
        "older backups not deleted"
    ] * 2


def test_lost_picture_is_remembered_until_a_backup_has_all(
    settings: Settings, data: Path, opened: Stores, clock: SettableClock
) -> None:
    schedule = BackupSchedule(settings, opened, clock)
    assert last_backup(opened.database) is None
    path = path_of(data, add_labelled(data, opened, b"picture").key)
    path.rename(data / "aside")
    schedule()
    assert last_backup(opened.database) == LastBackup(clock.now, 1)
    (data / "aside").rename(path)
    clock.advance(timedelta(hours=24))
    schedule()
    assert last_backup(opened.database) == LastBackup(clock.now, 0)


def test_stopped_schedule_makes_none(
    settings: Settings, opened: Stores, clock: SettableClock
) -> None:
    schedule = BackupSchedule(settings, opened, clock)
    schedule.stop()
    schedule()
    assert made(settings) == []


@pytest.mark.parametrize(
    ("place", "message"), [("data/backups", "beside it"), ("s3:backups", "s3://BUCKET")]
)
def test_unusable_target_is_refused_at_the_start(
    data: Path, opened: Stores, clock: SettableClock, place: str, message: str
) -> None:
    target = place.replace("data", str(data))
    with pytest.raises(BadSetting, match=f"--backup-to.*{message}"):
        BackupSchedule(Settings(data=data, backup_to=target), opened, clock)
