"""Objects in an inbox become blobs, once each, whatever breaks off in between.

Over real stores: records in SQLite, objects in moto's S3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.backends.sqlite import Database
from core.domain.blob import Blob, BlobStatus, FailureCode, ImageType
from core.domain.clock import Clock, is_id
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable
from core.repositories.ports.blobs import BlobFilter
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.storage.s3 import S3Storage
from embedded.migrations import MIGRATIONS
from labeller.imaging.decode import opened
from labeller.inbox import MAX_LABELS, MIN_CONFIDENCE, Inbox
from labeller.label_blob import BlobLabeller
from labeller.s3_event import InvalidEvent, Upload
from tests.support.aws import mocked_aws
from tests.support.detectors import CAT, ScriptedDetector
from tests.support.photos import as_jpeg, photo

pytestmark = pytest.mark.slow

KEY = "inbox/anna/holiday/My cat + friends.png"
PUT_AT = datetime(2026, 1, 31, 11, 59, 58, 500000, tzinfo=UTC)


class Rig:
    """Stores with an inbox over them."""

    def __init__(self, blobs: SqliteBlobRepository, storage: S3Storage) -> None:
        self.blobs = blobs
        self.storage = storage
        self.inbox = Inbox(blobs, storage)

    def put(self, content: bytes, key: str = KEY, version: str = "0A1B") -> Upload:
        """Put an object; give what S3 tells of it."""
        self.storage.put(key, content)
        return Upload("pictures", key, len(content), PUT_AT, version)

    def made(self, owner: str = "anna") -> list[Blob]:
        """All blobs of an owner."""
        return list(self.blobs.find_by_owner(owner, BlobFilter(), first=100).items)

    def bytes_of(self, key: str) -> bytes | None:
        """What lies under a key, if anything does."""
        try:
            with self.storage.open(key) as stream:
                return stream.read()
        except ObjectNotFound:
            return None


@pytest.fixture
def rig(tmp_path: Path, clock: Clock) -> Iterator[Rig]:
    database = Database(tmp_path / "labelling.sqlite", MIGRATIONS)
    with mocked_aws() as aws:
        yield Rig(SqliteBlobRepository(database, clock), S3Storage(aws.s3, aws.bucket()))
    database.close()


@pytest.mark.parametrize(
    ("content", "kind"),
    [(photo("chelsea.png"), ImageType.PNG), (as_jpeg(photo("chelsea.png")), ImageType.JPEG)],
)
def test_an_object_becomes_a_blob_of_the_inboxs_owner(
    rig: Rig, content: bytes, kind: ImageType
) -> None:
    """Of the type that its bytes have, whatever its name says; they move under the blob's key."""
    assert rig.inbox.import_upload(rig.put(content))
    (blob,) = rig.made()
    assert is_id(blob.id)
    assert blob == Blob(
        id=blob.id,
        owner="anna",
        status=BlobStatus.AWAITING_UPLOAD,
        content_type=kind,
        created_at=PUT_AT,
        max_labels=MAX_LABELS,
        min_confidence=MIN_CONFIDENCE,
    )
    assert rig.bytes_of(blob.key) == content
    assert rig.bytes_of(KEY) is None


def test_its_new_place_brings_about_the_labelling(rig: Rig, clock: Clock) -> None:
    """As of any upload; the event of the inbox, late and once more, changes nothing then."""
    upload = rig.put(photo("chelsea.png"))
    rig.inbox.import_upload(upload)
    (blob,) = rig.made()
    labeller = BlobLabeller(rig.blobs, rig.storage, ScriptedDetector(), clock)
    labeller.label(Upload("pictures", blob.key, upload.size, PUT_AT + timedelta(seconds=1)))
    (labelled,) = rig.made()
    assert (labelled.status, labelled.labels) == (BlobStatus.LABELLED, CAT.labels)
    assert rig.inbox.import_upload(upload)
    assert rig.made() == [labelled]


def test_told_again_it_makes_no_second_blob(rig: Rig) -> None:
    """At least once is what events promise."""
    upload = rig.put(photo("chelsea.png"))
    assert [rig.inbox.import_upload(upload) for _ in range(3)] == [True, True, True]
    assert len(rig.made()) == 1


def test_told_again_it_does_not_bring_back_a_deleted_blob(rig: Rig, clock: Clock) -> None:
    """Though the bucket still has that version of the object."""
    upload = rig.put(photo("chelsea.png"))
    version = rig.storage._client.list_object_versions(Bucket="pictures", Prefix=KEY)
    upload = replace(upload, version_id=version["Versions"][0]["VersionId"])
    assert rig.inbox.import_upload(upload)
    (blob,) = rig.made()
    rig.blobs.delete(blob, clock())
    rig.storage.delete(blob.key)
    assert rig.inbox.import_upload(upload)
    assert rig.made() == []
    assert rig.bytes_of(blob.key) is None
    assert rig.blobs.was_deleted("anna", blob.id)


def test_each_put_makes_a_blob(rig: Rig) -> None:
    """Two names at one moment, and one name twice."""
    for key in (KEY, "inbox/anna/other.png"):
        assert rig.inbox.import_upload(rig.put(b"first", key))
    assert rig.inbox.import_upload(rig.put(b"second", version="0A1C"))
    blobs = rig.made()
    assert len({blob.id for blob in blobs}) == 3
    assert sorted(rig.bytes_of(blob.key) or b"" for blob in blobs) == [
        b"first",
        b"first",
        b"second",
    ]


def test_owners_keep_apart(rig: Rig) -> None:
    """The same name in two inboxes is two pictures."""
    for owner in ("anna", "boris"):
        rig.inbox.import_upload(rig.put(owner.encode(), f"inbox/{owner}/cat.png"))
    for owner in ("anna", "boris"):
        (blob,) = rig.made(owner)
        assert rig.bytes_of(blob.key) == owner.encode()


class Crash(BaseException):
    """The process ends here."""


def once(call: Callable[..., Any], *, after: bool, error: BaseException) -> Callable[..., Any]:
    """The call with an error before its first time, or after it."""
    calls = iter((True,))

    def wrapped(*args: Any) -> Any:
        fails = next(calls, False)
        if fails and not after:
            raise error
        result = call(*args)
        if fails:
            raise error
        return result

    return wrapped


STEPS = [
    ("storage", "read_start"),
    ("blobs", "create"),
    ("storage", "copy"),
    ("storage", "delete"),
]


@pytest.mark.parametrize("error", [Unavailable("later"), Crash()])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("store", "step"), STEPS)
def test_what_broke_off_ends_well_when_it_is_told_again(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    store: str,
    step: str,
    *,
    after: bool,
    error: BaseException,
) -> None:
    """Before or after any step: the bytes are never gone, and in the end there is one blob."""
    content = photo("chelsea.png")
    upload = rig.put(content)
    with monkeypatch.context() as patch:
        owner = getattr(rig, store)
        patch.setattr(owner, step, once(getattr(owner, step), after=after, error=error))
        with pytest.raises(type(error)):
            rig.inbox.import_upload(upload)
        kept = [KEY, *(blob.key for blob in rig.made())]
        assert content in [rig.bytes_of(key) for key in kept]
        assert rig.inbox.import_upload(upload)
    (blob,) = rig.made()
    assert blob.content_type is ImageType.PNG
    assert rig.bytes_of(blob.key) == content
    assert rig.bytes_of(KEY) is None


@pytest.mark.parametrize("content", [b"", b"8BPS", b"not a picture at all"])
def test_what_is_no_picture_becomes_a_blob_all_the_same(rig: Rig, content: bytes) -> None:
    """Labelling then says what it is, which is better than an object that is never heard of."""
    assert rig.inbox.import_upload(rig.put(content))
    (blob,) = rig.made()
    assert blob.content_type is ImageType.JPEG
    assert rig.bytes_of(blob.key) == content
    with (
        pytest.raises(PictureRefused) as refused,
        rig.storage.open(blob.key) as stream,
        opened(stream, blob.content_type, max_pixels=1),
    ):
        pass
    assert refused.value.code == FailureCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    "key",
    ["originals/anna/01KG9RJ4VB0000000000000001", "inbox/anna", "inbox.png", "my/inbox/anna/cat"],
)
def test_other_objects_are_not_touched(rig: Rig, key: str) -> None:
    """They are told to be none of the inbox's."""
    assert not rig.inbox.import_upload(rig.put(b"bytes", key))
    assert rig.bytes_of(key) == b"bytes"
    assert rig.made() == []


def test_the_folders_that_a_console_makes_are_not_touched(rig: Rig) -> None:
    """An object without a name, which this store doesn't even put."""
    assert not rig.inbox.import_upload(Upload("pictures", "inbox/anna/", 0, PUT_AT, "0A1B"))
    assert rig.made() == []


def test_an_event_without_its_time_is_refused(rig: Rig) -> None:
    """Each time that it is told, and nothing is done."""
    upload = replace(rig.put(b"bytes"), event_time=None)
    for _ in range(2):
        with pytest.raises(InvalidEvent, match="eventTime"):
            rig.inbox.import_upload(upload)
    assert rig.made() == []
    assert rig.bytes_of(KEY) == b"bytes"


def test_an_object_that_is_gone_is_done(rig: Rig) -> None:
    """There is nothing to make a blob of."""
    assert rig.inbox.import_upload(Upload("pictures", KEY, 5, PUT_AT, "0A1B"))
    assert rig.made() == []


def test_an_object_that_goes_meanwhile_is_done(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blob awaits bytes that don't come, and expires like any other."""
    upload = rig.put(photo("chelsea.png"))
    create = rig.blobs.create

    def create_and_lose(blob: Blob) -> None:
        create(blob)
        rig.storage.delete(KEY)

    monkeypatch.setattr(rig.blobs, "create", create_and_lose)
    assert rig.inbox.import_upload(upload)
    (blob,) = rig.made()
    assert blob.status is BlobStatus.AWAITING_UPLOAD
    assert rig.blobs.find_abandoned(PUT_AT + timedelta(hours=1), 10) == [blob]
