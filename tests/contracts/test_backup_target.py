"""What every target of backups does: a folder, S3, and what speaks like S3."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.errors import InvalidValue, ObjectNotFound, Unavailable
from core.storage.s3 import client_config
from embedded.backup.targets import BackupTarget, FolderTarget, S3Target, open_target
from tests.contracts.conftest import MINISTACK, SEAWEEDFS, bucket_of
from tests.support.aws.s3_and_sqs import MockAws

NAME = "originals/ab/abcd"


@pytest.fixture(params=["folder", "s3", MINISTACK, SEAWEEDFS])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BackupTarget]:
    if request.param == "folder":
        yield FolderTarget(tmp_path / "target" / "deeper")
    elif request.param == "s3":
        aws = request.getfixturevalue("aws")
        yield S3Target(aws.s3, aws.bucket(), "nightly/")
    else:
        emulator = request.getfixturevalue(request.param)
        bucket = bucket_of(emulator)._bucket
        yield S3Target(emulator.client("s3", client_config()), bucket, "nightly/")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"bytes of a picture")
    return path


def test_file_is_read_as_it_was_stored(target: BackupTarget, source: Path, tmp_path: Path) -> None:
    target.put(NAME, source)
    target.get(NAME, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"bytes of a picture"


def test_file_is_replaced(target: BackupTarget, source: Path, tmp_path: Path) -> None:
    target.put(NAME, source)
    source.write_bytes(b"others")
    target.put(NAME, source)
    target.get(NAME, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"others"


def test_new_target_is_empty(target: BackupTarget) -> None:
    assert list(target.sizes()) == []


def test_all_names_are_listed_with_sizes(target: BackupTarget, source: Path) -> None:
    names = [f"originals/0{number}/name" for number in range(3)]
    for name in names:
        target.put(name, source)
    assert sorted(target.sizes()) == [(name, 18) for name in names]


def test_deleted_file_does_not_exist(target: BackupTarget, source: Path, tmp_path: Path) -> None:
    target.put(NAME, source)
    target.delete(NAME)
    target.delete(NAME)
    assert list(target.sizes()) == []
    with pytest.raises(ObjectNotFound):
        target.get(NAME, tmp_path / "copy")


def test_absent_source_stores_nothing(target: BackupTarget, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound):
        target.put(NAME, tmp_path / "absent")
    assert list(target.sizes()) == []


class BrokenBody:
    """A response whose connection ends before its body does."""

    def read(self, *_: int) -> bytes:
        raise ConnectionResetError("Connection reset by peer")


def test_download_that_breaks_off_again_and_again_is_an_error(
    aws: MockAws, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = S3Target(aws.s3, aws.bucket(), "nightly/")
    target.put(NAME, source)
    monkeypatch.setattr(aws.s3, "get_object", lambda **_: {"Body": BrokenBody()})
    with pytest.raises(Unavailable, match="Connection reset by peer"):
        target.get(NAME, tmp_path / "copy")


def test_folder_is_private(source: Path, tmp_path: Path) -> None:
    FolderTarget(tmp_path / "target").put(NAME, source)
    stored = tmp_path / "target" / NAME
    assert [each.stat().st_mode & 0o777 for each in (stored, stored.parent)] == [0o600, 0o700]


@pytest.mark.skipif(sys.platform != "linux", reason="/sys is of Linux")
def test_folder_that_cannot_be_written_says_what_to_do(source: Path) -> None:
    with pytest.raises(Unavailable, match=r"/sys/backups can't be written.*ReadWritePaths"):
        FolderTarget(Path("/sys/backups")).put(NAME, source)


def test_address_names_bucket_prefix_and_endpoint() -> None:
    endpoints: list[str | None] = []
    found = [
        open_target(address, endpoints.append)
        for address in ("s3://pictures", "s3://pictures/a/b/?endpoint=http://127.0.0.1:8333")
    ]
    assert [vars(each)["_prefix"] for each in found] == ["", "a/b/"]
    assert {vars(each)["_bucket"] for each in found} == {"pictures"}
    assert endpoints == [None, "http://127.0.0.1:8333"]


@pytest.mark.parametrize("address", ["s3:", "s3://", "s3:///a", "s3://UPPER/a", "s3://abc/?x=1"])
def test_wrong_address_is_an_error(address: str) -> None:
    with pytest.raises(InvalidValue, match="s3://BUCKET/PREFIX"):
        open_target(address, lambda _: None)
