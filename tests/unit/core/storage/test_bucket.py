"""What is specific to originals in a bucket; the contract has the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.errors import ObjectNotFound
from core.domain.thumbnail import ThumbnailSize
from core.storage.bucket import BucketStorage
from core.storage.files import FileStorage
from core.storage.s3 import S3Storage
from core.storage.signed_url import UrlSigner
from tests.support.aws.s3_and_sqs import MockAws, mocked_aws

pytestmark = pytest.mark.slow

KEY = "originals/o:anna/01ARYZ"
SIGNER = UrlSigner(b"secret", "http://localhost")


@pytest.fixture
def aws() -> Iterator[MockAws]:
    with mocked_aws() as aws:
        yield aws


@pytest.fixture
def bucket(aws: MockAws) -> S3Storage:
    return S3Storage(aws.s3, aws.bucket(), prefix="labels/")


@pytest.fixture
def files(tmp_path: Path) -> FileStorage:
    """The folder, as a service without a bucket has it."""
    return FileStorage(tmp_path, SIGNER)


@pytest.fixture
def storage(tmp_path: Path, bucket: S3Storage) -> BucketStorage:
    return BucketStorage(tmp_path, SIGNER, bucket)


def kept(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def read(storage: FileStorage | S3Storage, key: str = KEY) -> bytes:
    with storage.open(key) as stream:
        return stream.read()


def test_bytes_are_in_the_bucket_below_the_prefix_and_not_on_the_disk(
    storage: BucketStorage, aws: MockAws, tmp_path: Path
) -> None:
    with storage.receive(KEY) as incoming:
        incoming.write(b"by")
        incoming.write(b"tes")
        incoming.sync()
        incoming.keep()
        incoming.sync_name()
    listed = aws.s3.list_objects_v2(Bucket="pictures")["Contents"]
    assert [each["Key"] for each in listed] == [f"labels/{KEY}"]
    assert read(storage) == b"bytes"
    assert kept(tmp_path) == []


def test_upload_that_was_not_whole_is_nowhere(storage: BucketStorage, tmp_path: Path) -> None:
    with storage.receive(KEY) as incoming:
        incoming.write(b"by")
    with pytest.raises(ObjectNotFound):
        storage.size(KEY)
    assert kept(tmp_path) == []


def test_withdrawn_upload_is_nowhere(storage: BucketStorage, tmp_path: Path) -> None:
    with storage.receive(KEY) as incoming:
        incoming.write(b"bytes")
        incoming.sync()
        incoming.withdraw()
    with pytest.raises(ObjectNotFound):
        storage.size(KEY)
    assert kept(tmp_path) == []


def test_opened_bytes_are_a_real_file(storage: BucketStorage, tmp_path: Path) -> None:
    """Detector processes get its descriptor. Nothing is left of it on the disk."""
    storage.put(KEY, b"bytes")
    with storage.open(KEY) as stream:
        assert stream.fileno() > 0
        assert kept(tmp_path) == []
        assert stream.read() == b"bytes"


def test_missing_bytes_leave_no_file(storage: BucketStorage, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound):
        storage.file_of(KEY)
    assert kept(tmp_path) == []


def test_bytes_of_the_folder_are_read_and_deleted_there(
    storage: BucketStorage, files: FileStorage
) -> None:
    """As from a service that had no bucket yet, or from a backup."""
    files.put(KEY, b"older")
    assert (read(storage), storage.size(KEY), storage.read_start(KEY, 3)) == (b"older", 5, b"old")
    stored = storage.file_of(KEY)
    stored.release()
    assert stored.path == files.path(KEY)
    assert read(files) == b"older"
    storage.delete(KEY)
    for each in (files, storage):
        with pytest.raises(ObjectNotFound):
            each.size(KEY)


def test_offload_moves_bytes_to_the_bucket(
    storage: BucketStorage, files: FileStorage, bucket: S3Storage, tmp_path: Path
) -> None:
    files.put(KEY, b"older")
    with storage.open(KEY) as reader:
        storage.offload(KEY)
        assert reader.read() == b"older"
    assert read(bucket) == read(storage) == b"older"
    assert kept(tmp_path) == []
    with pytest.raises(ObjectNotFound):
        storage.offload(KEY)


def test_put_replaces_what_the_folder_has(storage: BucketStorage, files: FileStorage) -> None:
    files.put(KEY, b"older")
    storage.put(KEY, b"newer")
    assert read(storage) == b"newer"


def test_thumbnails_stay_in_the_folder(
    storage: BucketStorage, bucket: S3Storage, tmp_path: Path
) -> None:
    storage.put_derived(KEY, ThumbnailSize.SMALL, b"small")
    assert storage.has_derived(KEY, ThumbnailSize.SMALL)
    assert list(bucket.keys("")) == []
    storage.delete(KEY)
    assert not storage.has_derived(KEY, ThumbnailSize.SMALL)


def test_keys_of_the_bucket_are_listed(storage: BucketStorage, bucket: S3Storage) -> None:
    keys = [f"originals/anna/{number}" for number in range(3)]
    for key in keys:
        storage.put(key, b"x")
    bucket.put("other", b"x")
    assert list(storage.remote_keys()) == keys
