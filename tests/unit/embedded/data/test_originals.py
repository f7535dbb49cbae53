"""Which storage a data folder has, and the move of its originals to a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.clock import utc_now
from core.runtime.settings import BadSetting
from core.storage.bucket import BucketStorage
from core.storage.files import FileStorage, StoredBytes, path_of
from embedded.backup.create import BackupMaker
from embedded.backup.restore import restore
from embedded.backup.targets import FolderTarget
from embedded.checks.verification import Verifier
from embedded.data.originals import Offload, choose_storage, open_storage, stored_address
from embedded.move.folder import Folder
from embedded.settings import Settings
from embedded.stores import Stores
from tests.support.aws.s3_and_sqs import REGION, MockAws, mocked_aws
from tests.support.services.data_folder import add_labelled

pytestmark = pytest.mark.slow

ADDRESS = "s3://pictures/labels"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockAws]:
    monkeypatch.setenv("AWS_REGION", REGION)
    with mocked_aws() as aws:
        aws.bucket()
        yield aws


def choose(data: Path, opened: Stores, address: str | None = ADDRESS) -> None:
    choose_storage(Settings(data=data, storage=address), opened.database)


def keys_in(aws: MockAws) -> list[str]:
    listed = aws.s3.list_objects_v2(Bucket="pictures").get("Contents", [])
    return [each["Key"] for each in listed]


def offload(data: Path, opened: Stores, seconds: float = 60) -> None:
    Offload(data, open_storage(data, opened.database), opened.blobs, seconds)()


def test_originals_are_in_the_folder_unless_a_bucket_is_chosen(data: Path, opened: Stores) -> None:
    choose(data, opened, None)
    assert type(open_storage(data, opened.database)) is FileStorage
    assert stored_address(opened.database) is None


def test_chosen_bucket_is_remembered_for_commands(data: Path, opened: Stores, aws: MockAws) -> None:
    """They need no setting. What tried the bucket is gone from it."""
    choose(data, opened)
    assert isinstance(open_storage(data, opened.database), BucketStorage)
    assert keys_in(aws) == []


@pytest.mark.parametrize(
    "other", [None, "s3://pictures", "s3://pictures/other", "s3://elsewhere/labels"]
)
def test_storage_that_lacks_the_originals_is_refused(
    data: Path, opened: Stores, aws: MockAws, other: str | None
) -> None:
    choose(data, opened)
    with pytest.raises(BadSetting, match="start with --storage 's3://pictures/labels'"):
        choose(data, opened, other)
    assert stored_address(opened.database) == ADDRESS


def test_bucket_may_get_another_endpoint(data: Path, opened: Stores, aws: MockAws) -> None:
    choose(data, opened)
    moved = f"{ADDRESS}/?endpoint=https://s3.{REGION}.amazonaws.com"
    choose(data, opened, moved)
    assert stored_address(opened.database) == moved


def test_missing_bucket_is_refused_with_the_reason(
    data: Path, opened: Stores, aws: MockAws
) -> None:
    with pytest.raises(BadSetting, match="must exist"):
        choose(data, opened, "s3://missing")
    assert stored_address(opened.database) is None


@pytest.mark.parametrize("address", ["pictures", "s3:/pictures", "s3://P", "s3://pictures?a=b"])
def test_address_of_another_form_is_refused(address: str) -> None:
    with pytest.raises(BadSetting, match="is not s3://BUCKET/PREFIX"):
        Settings(storage=address)


def test_originals_of_the_folder_move_to_the_bucket(
    data: Path, opened: Stores, aws: MockAws
) -> None:
    """Also of an owner with odd characters; what no blob has stays for `labelling verify`."""
    blobs = [add_labelled(data, opened, b"one"), add_labelled(data, opened, b"two", owner="ö:é +ä")]
    stray = path_of(data, "originals/anna/01ARYZ6S41TSV4RRFFQ69G5FAV")
    stray.write_bytes(b"stray")
    choose(data, opened)
    storage = open_storage(data, opened.database)
    for _ in range(2):
        offload(data, opened)
        assert sorted(keys_in(aws)) == sorted(f"labels/{blob.key}" for blob in blobs)
        assert [path for path in (data / "originals").rglob("*") if path.is_file()] == [stray]
        for blob, content in zip(blobs, (b"one", b"two"), strict=True):
            with storage.open(blob.key) as stream:
                assert stream.read() == content


def test_offload_continues_where_its_time_ended(data: Path, opened: Stores, aws: MockAws) -> None:
    for number in range(3):
        add_labelled(data, opened, b"%d" % number)
    choose(data, opened)
    for moved in (1, 2, 3, 3):
        offload(data, opened, seconds=0)
        assert len(keys_in(aws)) == moved


def test_without_a_bucket_nothing_moves(data: Path, opened: Stores) -> None:
    blob = add_labelled(data, opened, b"one")
    offload(data, opened)
    assert path_of(data, blob.key).read_bytes() == b"one"


def test_backup_has_the_originals_of_the_bucket(
    data: Path, opened: Stores, aws: MockAws, tmp_path: Path
) -> None:
    blob = add_labelled(data, opened, b"one")
    choose(data, opened)
    offload(data, opened)
    target = FolderTarget(tmp_path / "target")
    made = BackupMaker(data, opened, utc_now).make(target, keep=1)
    assert (made.originals, made.missing, made.damaged) == (1, [], [])
    restore(target, None, tmp_path / "new")
    assert path_of(tmp_path / "new", blob.key).read_bytes() == b"one"


def test_check_reads_the_originals_of_the_bucket(data: Path, opened: Stores, aws: MockAws) -> None:
    lost, damaged = add_labelled(data, opened, b"one"), add_labelled(data, opened, b"two")
    add_labelled(data, opened, b"three")
    choose(data, opened)
    offload(data, opened)
    assert Verifier(data, opened).check().problems == ()
    aws.s3.delete_object(Bucket="pictures", Key=f"labels/{lost.key}")
    aws.s3.put_object(Bucket="pictures", Key=f"labels/{damaged.key}", Body=b"tow")
    stray = "originals/anna/01ARYZ6S41TSV4RRFFQ69G5FAV"
    aws.s3.put_object(Bucket="pictures", Key=f"labels/{stray}", Body=b"stray")
    problems = Verifier(data, opened, repair=True).check().problems
    found = {each.subject: each.what for each in problems}
    assert found == {
        lost.key: "its bytes are missing",
        damaged.key: "its 3 bytes are not those that were uploaded",
        stray: "no blob has this object of the bucket",
    }
    assert not list(data.glob(".incoming/*"))


def test_originals_that_move_while_they_are_read_are_found(
    data: Path, opened: Stores, aws: MockAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the labeller, a backup, a check and a move, which runs beside the service."""
    choose(data, opened)
    storage, target = open_storage(data, opened.database), FolderTarget(tmp_path / "target")
    file_of = FileStorage.file_of

    def move_then(storage: FileStorage, key: str) -> StoredBytes:
        found = file_of(storage, key)
        offload(data, opened)
        return found

    monkeypatch.setattr(FileStorage, "file_of", move_then)
    made = add_labelled(data, opened, b"one")
    with storage.open(made.key) as stream:
        assert stream.read() == b"one"
    add_labelled(data, opened, b"two")
    assert Verifier(data, opened).check().problems == ()
    add_labelled(data, opened, b"three")
    outcome = BackupMaker(data, opened, utc_now).make(target, keep=1)
    assert (outcome.originals, outcome.missing) == (3, [])
    moved = add_labelled(data, opened, b"four")
    with Folder(opened, storage).original(moved) as stream:
        assert stream.read() == b"four"
    assert not list(data.glob(".incoming/*"))
