"""Image bytes in a folder, where the operating system fails."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from core.domain.errors import StorageFull, Unavailable
from core.domain.thumbnail import ThumbnailSize
from core.storage.durable_files import IncomingFile
from core.storage.files import FileStorage
from core.storage.signed_url import UrlSigner

KEY = "originals/anna/1"
DERIVED = Path("derived/originals/anna/1")


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path, UrlSigner(b"secret", "http://testserver"))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Have the system refuse longer files (Linux: EFBIG, as Python ignores SIGXFSZ)."""
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)


def files(root: Path) -> list[Path]:
    return sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())


def test_failed_write_is_unavailable_and_leaves_no_file(
    storage: FileStorage, tmp_path: Path
) -> None:
    with largest_file(1000):
        with pytest.raises(Unavailable, match="File too large"):
            storage.put(KEY, b"x" * 1001)
        with pytest.raises(Unavailable, match="File too large"):
            storage.put_derived(KEY, ThumbnailSize.SMALL, b"x" * 1001)
    assert files(tmp_path) == []
    storage.put(KEY, b"x" * 1001)
    assert storage.size(KEY) == 1001


def test_full_disk_is_its_own_error(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IncomingFile, "write", fail)
    with pytest.raises(StorageFull):
        storage.put(KEY, b"x")


def test_derived_file_is_deleted_with_its_original(storage: FileStorage, tmp_path: Path) -> None:
    storage.put(KEY, b"original")
    assert not storage.has_derived(KEY, ThumbnailSize.SMALL)
    storage.put_derived(KEY, ThumbnailSize.SMALL, b"small")
    assert storage.has_derived(KEY, ThumbnailSize.SMALL)
    assert storage.derived_path(KEY, ThumbnailSize.SMALL).read_bytes() == b"small"
    assert not storage.has_derived(KEY, ThumbnailSize.LARGE)
    storage.put_derived(KEY, ThumbnailSize.LARGE, b"large")
    assert storage.derived_path(KEY, ThumbnailSize.SMALL).read_bytes() == b"small"
    storage.clear_leftovers()
    assert storage.derived_path(KEY, ThumbnailSize.LARGE).read_bytes() == b"large"
    storage.delete(KEY)
    assert files(tmp_path) == []


def test_temporary_file_that_cannot_be_deleted_is_deleted_at_the_next_start(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch, suppress(KeyError), storage.receive(KEY):
        patch.setattr(Path, "unlink", fail)
        raise KeyError  # not hidden by the error of the deletion
    assert len(files(tmp_path)) == 1
    storage.clear_leftovers()
    assert files(tmp_path) == []


def test_leftovers_of_earlier_versions_are_deleted(storage: FileStorage, tmp_path: Path) -> None:
    storage.put_derived(KEY, ThumbnailSize.SMALL, b"small")
    (tmp_path / f"{DERIVED}.0123456789abcdef").write_bytes(b"leftover")
    storage.clear_leftovers()
    assert files(tmp_path) == [DERIVED]


def test_leftover_that_cannot_be_deleted_does_not_stop_the_start(
    storage: FileStorage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / ".incoming" / "folder").mkdir(parents=True)
    storage.clear_leftovers()
    assert [record.message for record in caplog.records] == ["leftover not deleted"]
