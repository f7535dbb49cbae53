"""The inbox creates one blob per object, even after interruptions.

Uses real stores: records in SQLite, objects in moto's S3.
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
from core.domain.blob_list import BlobFilter
from core.domain.clock import Clock, is_id
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable
from core.domain.facts import Facts
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.storage.s3 import S3Storage
from embedded.migrations import MIGRATIONS
from labeller.imaging.decode import opened
from labeller.inbox import MAX_LABELS, MIN_CONFIDENCE, Inbox
from labeller.label_blob import BlobLabeller
from labeller.s3_event import InvalidEvent, Upload
from tests.support.aws.s3_and_sqs import mocked_aws
from tests.support.images.detectors import CAT, ScriptedDetector
from tests.support.images.photos import as_jpeg, photo
from tests.support.lists import a_page

pytestmark = pytest.mark.slow

KEY = "inbox/anna/holiday/My cat + friends.png"
PUT_AT = datetime(2026, 1, 31, 11, 59, 58, 500000, tzinfo=UTC)


class Rig:
    """An inbox on real stores."""

    def __init__(self, blobs: SqliteBlobRepository, storage: S3Storage) -> None:
        self.blobs = blobs
        self.storage = storage
        self.inbox = Inbox(blobs, storage)
        self.s3 = storage._client

    def put(self, content: bytes, key: str = KEY, version: str = "0A1B") -> Upload:
        """Store an object and return the upload that S3 would report."""
        self.storage.put(key, content)
        return Upload("pictures", key, len(content), PUT_AT, version)

    def made(self, owner: str = "anna") -> list[Blob]:
        """All blobs of an owner."""
        return list(a_page(self.blobs, owner, BlobFilter(), first=100).items)

    def bytes_of(self, key: str) -> bytes | None:
        """The bytes under a key, or None."""
        try:
            with self.storage.open(key) as stream:
                return stream.read()
        except ObjectNotFound:
            return None


@pytest.fixture
def rig(tmp_path: Path, clock: Clock) -> Iterator[Rig]:
    database = Database(tmp_path / "labelling.sqlite", MIGRATIONS)
    with mocked_aws() as aws:
        yield Rig(
            SqliteBlobRepository(database, clock), S3Storage(aws.s3, aws.bucket(), any_key=True)
        )
    database.close()


@pytest.mark.parametrize(
    ("content", "kind"),
    [(photo("chelsea.png"), ImageType.PNG), (as_jpeg(photo("chelsea.png")), ImageType.JPEG)],
)
def test_object_becomes_a_blob_of_the_inboxs_owner(
    rig: Rig, content: bytes, kind: ImageType
) -> None:
    """The bytes decide its type, not the name. They move to the blob's key."""
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
        facts=Facts("My cat + friends.png"),
    )
    assert rig.bytes_of(blob.key) == content
    assert rig.bytes_of(KEY) is None


def test_event_of_the_copy_starts_the_labelling(rig: Rig, clock: Clock) -> None:
    """A late, repeated event of the inbox then changes nothing."""
    upload = rig.put(photo("chelsea.png"))
    rig.inbox.import_upload(upload)
    (blob,) = rig.made()
    labeller = BlobLabeller(rig.blobs, rig.storage, ScriptedDetector(), clock)
    labeller.label(Upload("pictures", blob.key, upload.size, PUT_AT + timedelta(seconds=1)))
    (labelled,) = rig.made()
    assert (labelled.status, labelled.labels) == (BlobStatus.LABELLED, CAT.labels)
    assert rig.inbox.import_upload(upload)
    assert rig.made() == [labelled]


def test_repeated_event_creates_no_second_blob(rig: Rig) -> None:
    upload = rig.put(photo("chelsea.png"))
    assert [rig.inbox.import_upload(upload) for _ in range(3)] == [True, True, True]
    assert len(rig.made()) == 1


def test_repeated_event_does_not_restore_a_deleted_blob(rig: Rig, clock: Clock) -> None:
    """Even if the bucket still has that version of the object."""
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


def test_each_upload_creates_a_blob(rig: Rig) -> None:
    """Two names at the same time, and one name twice."""
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


def test_same_name_in_two_inboxes_creates_two_blobs(rig: Rig) -> None:
    for owner in ("anna", "boris"):
        rig.inbox.import_upload(rig.put(owner.encode(), f"inbox/{owner}/cat.png"))
    for owner in ("anna", "boris"):
        (blob,) = rig.made(owner)
        assert rig.bytes_of(blob.key) == owner.encode()


class Crash(BaseException):
    """The process ends here."""


def once(call: Callable[..., Any], *, after: bool, error: BaseException) -> Callable[..., Any]:
    """Return the call, which raises the error before or after its first run."""
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
def test_repeated_event_completes_an_interrupted_import(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    store: str,
    step: str,
    *,
    after: bool,
    error: BaseException,
) -> None:
    """The bytes exist at any time, and in the end there is one blob."""
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
def test_object_that_is_no_picture_becomes_a_blob(rig: Rig, content: bytes) -> None:
    """Its labelling then fails with a reason, which the owner can read."""
    assert rig.inbox.import_upload(rig.put(content))
    (blob,) = rig.made()
    assert blob.content_type is ImageType.JPEG
    assert rig.bytes_of(blob.key) == content
    with (
        pytest.raises(PictureRefused) as refused,
        rig.storage.open(blob.key) as stream,
        opened(stream, max_pixels=1),
    ):
        pass
    assert refused.value.code == FailureCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    "key",
    ["originals/anna/01KG9RJ4VB0000000000000001", "inbox.png", "my/inbox/anna/cat", "rejected/a"],
)
def test_objects_outside_inboxes_are_ignored(rig: Rig, key: str) -> None:
    assert not rig.inbox.import_upload(rig.put(b"bytes", key))
    assert rig.bytes_of(key) == b"bytes"
    assert rig.made() == []


def test_folder_object_of_the_s3_console_is_ignored(rig: Rig) -> None:
    """Its key has no name. moto's S3 can't store it."""
    assert rig.inbox.import_upload(Upload("pictures", "inbox/anna/", 0, PUT_AT, "0A1B"))
    assert rig.made() == []


@pytest.mark.parametrize(
    "name", ["/cat.png", "2026//cat.png", "./cat.png", "../boris/cat.png", "x" * 1012]
)
def test_name_may_have_any_form(rig: Rig, name: str) -> None:
    """S3 gives its parts no meaning: it stays the object of the owner who is named first."""
    key = f"inbox/anna/{name}"
    assert rig.inbox.import_upload(rig.put(photo("chelsea.png"), key))
    (blob,) = rig.made()
    assert rig.bytes_of(blob.key) == photo("chelsea.png")
    assert rig.bytes_of(key) is None
    assert rig.made("boris") == []


@pytest.mark.parametrize(
    ("key", "target"),
    [
        ("inbox/cat.png", "rejected/cat.png"),
        ("inbox//cat.png", "rejected//cat.png"),
        ("inbox/../anna/cat.png", "rejected/../anna/cat.png"),
        (f"inbox/{'x' * 65}/cat.png", f"rejected/{'x' * 65}/cat.png"),
        (f"inbox/{'x' * 1018}", f"rejected/{'x' * 1015}"),
    ],
)
def test_object_without_a_valid_owner_moves_with_a_reason(
    rig: Rig, key: str, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A repeated event changes nothing."""
    upload = rig.put(b"bytes", key)
    for _ in range(2):
        assert rig.inbox.import_upload(upload)
    assert rig.bytes_of(key) is None
    assert rig.bytes_of(target) == b"bytes"
    reason = rig.s3.head_object(Bucket="pictures", Key=target)["Metadata"]["reason"]
    assert "Put the object under inbox/<owner>/" in reason
    (line,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert (line.object_key, line.reason) == (key, reason)  # type: ignore[attr-defined]


def test_interrupted_rejection_is_completed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = rig.put(b"bytes", "inbox/cat.png")
    with monkeypatch.context() as patch:
        delete = once(rig.storage.delete, after=False, error=Unavailable("later"))
        patch.setattr(rig.storage, "delete", delete)
        with pytest.raises(Unavailable):
            rig.inbox.import_upload(upload)
        assert rig.inbox.import_upload(upload)
    assert rig.bytes_of("inbox/cat.png") is None
    assert rig.bytes_of("rejected/cat.png") == b"bytes"


@pytest.mark.parametrize("name", [".DS_Store", "2026/Thumbs.db", "._cat.jpg", "__MACOSX/cat.jpg"])
def test_clutter_of_desktops_is_skipped_quietly(
    rig: Rig, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = f"inbox/anna/{name}"
    assert rig.inbox.import_upload(rig.put(b"bytes", key))
    assert rig.bytes_of(key) == b"bytes"
    assert rig.made() == []
    assert [each for each in caplog.records if each.levelname != "DEBUG"] == []


def test_event_without_a_time_is_refused(rig: Rig) -> None:
    """Every time, and nothing changes."""
    upload = replace(rig.put(b"bytes"), event_time=None)
    for _ in range(2):
        with pytest.raises(InvalidEvent, match="eventTime"):
            rig.inbox.import_upload(upload)
    assert rig.made() == []
    assert rig.bytes_of(KEY) == b"bytes"


def test_event_of_a_missing_object_succeeds(rig: Rig) -> None:
    assert rig.inbox.import_upload(Upload("pictures", KEY, 5, PUT_AT, "0A1B"))
    assert rig.made() == []


def test_object_deleted_during_the_import_leaves_a_waiting_blob(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It expires like any other blob without bytes."""
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
