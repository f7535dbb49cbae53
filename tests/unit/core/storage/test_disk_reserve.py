"""Disk space that uploads leave free."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import pytest

from core.domain.errors import StorageFull, Unavailable
from core.storage.disk_reserve import BALLAST, BALLAST_BYTES, DiskReserve


class Disk:
    """A disk whose free space a test sets."""

    def __init__(self, free: int) -> None:
        self.free = free

    def __call__(self, _folder: Path) -> int:
        return self.free


def test_upload_that_leaves_the_reserve_is_accepted(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path, 100, Disk(150))
    reserve.check(50)
    with pytest.raises(StorageFull, match="Delete blobs"):
        reserve.check(51)


def test_uploads_in_progress_count_as_used(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path, 100, Disk(150))
    with reserve.expecting(30):
        reserve.check(20)
        with pytest.raises(StorageFull), reserve.expecting(21):
            pytest.fail("accepted")
    reserve.check(50)


def test_failed_upload_frees_what_it_was_expected_to_use(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path, 100, Disk(150))
    with pytest.raises(RuntimeError), reserve.expecting(50):
        raise RuntimeError
    reserve.check(50)


def test_low_disk_is_unhealthy_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    disk = Disk(100)
    reserve = DiskReserve(tmp_path, 100, disk)
    assert reserve.health_error() is None
    disk.free = 99
    for _ in range(3):
        error = reserve.health_error()
        assert error is not None
        assert "--reserve-bytes" in error
    disk.free = 100
    assert reserve.health_error() is None
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_full_service_refuses_an_upload_of_unknown_size(tmp_path: Path) -> None:
    with pytest.raises(StorageFull):
        DiskReserve(tmp_path, 100, Disk(99)).check(0)


def test_without_a_reserve_the_disk_is_never_asked(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path, 0, Disk(-1))
    reserve.check(10**15)
    reserve.fill()
    assert list(tmp_path.iterdir()) == []


def test_ballast_is_made_only_above_the_reserve(tmp_path: Path) -> None:
    disk = Disk(100 + BALLAST_BYTES - 1)
    reserve = DiskReserve(tmp_path, 100, disk)
    reserve.fill()
    assert not (tmp_path / BALLAST).exists()
    disk.free += 1
    reserve.fill()
    assert (tmp_path / BALLAST).stat().st_size == BALLAST_BYTES
    assert (tmp_path / BALLAST).stat().st_mode & 0o777 == 0o600
    reserve.release()
    assert not (tmp_path / BALLAST).exists()
    reserve.release()


def test_ballast_that_cannot_be_written_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / BALLAST).mkdir()
    DiskReserve(tmp_path, 100, Disk(10**9)).fill()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_folder_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path / "missing", 100)
    with pytest.raises(Unavailable, match="can't be read"):
        reserve.check(1)
    error = reserve.health_error()
    assert error is not None
    assert error.startswith("the data folder was deleted or unmounted")


def test_unknown_free_space_is_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    def failing(_: Path) -> int:
        raise OSError(errno.EIO, "Input/output error")

    error = DiskReserve(tmp_path, 100, failing).health_error()
    assert error is not None
    assert "can't be read" in error


def test_folder_that_cannot_be_written_is_unhealthy_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "originals").mkdir()
    reserve = DiskReserve(tmp_path, 100, Disk(150))
    assert reserve.health_error() is None
    # For root, each folder can be written: the test replaces the system's answer.
    with monkeypatch.context() as patched:
        patched.setattr("os.access", lambda path, _: path != tmp_path / "originals")
        error = reserve.health_error()
        patched.setattr("core.storage.disk_reserve.is_read_only", lambda _: True)
        read_only = reserve.health_error()
    assert error == "originals in the data folder can't be written: give them to the service's user"
    assert read_only is not None
    assert "mounted read-only" in read_only
    assert reserve.health_error() is None
