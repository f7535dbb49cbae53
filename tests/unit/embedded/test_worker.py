"""The background threads."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from api.services.deletions import delete_due
from core.domain.blob import Blob, BlobStatus, FailureCode
from core.domain.clock import new_id, utc_now
from core.domain.errors import Unavailable, VersionConflict
from core.domain.label import Label
from core.queues.base import Message
from core.runtime.logging import AddLogContext
from embedded.change_feed import ChangeFeed, retry_quarantined
from embedded.events import object_created, stream_event
from embedded.jobs.dead_letters import UploadDeadLetters
from embedded.jobs.maintenance import Maintenance
from embedded.worker import Consumer, Periodic, Worker, backoff
from labeller.expiry import BlobExpiry
from labeller.handler import handle as handle_uploads
from labeller.label_blob import BlobLabeller
from tests.support.images.detectors import CAT, ScriptedDetector
from tests.support.services.embedded_stores import EmbeddedStores, MovableClock
from tests.support.waiting import PATIENCE, wait_until

SOON = 15.0  # seconds; idle threads wait for a message for 20, unless they are woken

Event = Mapping[str, Any]


@pytest.mark.parametrize(
    ("receive_count", "seconds"), [(1, 1), (2, 5), (3, 25), (4, 125), (5, 625), (6, 900), (50, 900)]
)
def test_backoff_grows_with_each_attempt(receive_count: int, seconds: int) -> None:
    """Up to a quarter of an hour."""
    assert backoff(receive_count) == timedelta(seconds=seconds)


# The threads, on the real clock


@pytest.fixture
def clock() -> MovableClock:
    """The real time, because threads wait for it."""

    class RealClock:
        def __call__(self) -> Any:
            return utc_now()

        def advance(self, by: timedelta) -> None:
            time.sleep(0.002)  # so that the next record is younger

    return RealClock()


class Works:
    """A worker over real stores, with a scripted detector and a fake notifier."""

    def __init__(
        self, stores: EmbeddedStores, detector: ScriptedDetector, *, max_receives: int = 5
    ) -> None:
        self.stores = stores
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = lambda _: None
        self.uploads = stores.queue(max_receives=max_receives)
        self.delivery_queue = stores.queue("hints")
        self.quarantine = stores.queue("changes")
        labeller = BlobLabeller(stores.blobs, stores.storage, detector, stores.clock)
        self.dead_letters = UploadDeadLetters(self.uploads, labeller)
        handle = self.handle_delivery_jobs
        maintenance = Maintenance(
            handle,
            partial(delete_due, stores.services()),
            BlobExpiry(stores.blobs, stores.storage, labeller, stores.clock),
            stores.blobs,
            stores.uploads,
            stores.clock,
            timedelta(hours=24),
            check_store=stores.database.check_writable,
            keep_reserve=lambda: None,
            trim_audit=lambda _: None,
        )
        self.worker = Worker(
            [
                Consumer("labeller", self.uploads, partial(handle_uploads, labeller=labeller), 2),
                Consumer("webhook", self.delivery_queue, handle),
                Consumer("quarantine", self.quarantine, partial(retry_quarantined, handle)),
            ],
            ChangeFeed(stores.database, stores.blobs, self.quarantine, handle),
            [Periodic("maintenance", maintenance, 60)],
            others_wrote=stores.database.watch(),
        )

    def start(self) -> None:
        """Start as the service does."""
        self.dead_letters.take_all()
        self.worker.start()

    def handle_delivery_jobs(self, event: Event) -> dict[str, Any]:
        self.events.append(event)
        self.on_event(event)
        return {"batchItemFailures": []}

    def records_from(self, source: str) -> list[Any]:
        """Return the records from one source that the notifier got."""
        return [
            record
            for event in list(self.events)
            for record in event.get("Records", [event])
            if record.get("eventSource", record.get("source")) == source
        ]

    def upload(self) -> Blob:
        """Create a blob with bytes and a message in the queue."""
        blob = self.stores.labelling()
        self.send(blob)
        return blob

    def send(self, blob: Blob) -> None:
        """Send the event of a blob's upload to the queue."""
        event = object_created(blob.key, size=5, sha256="c2hh", at=self.stores.clock())
        self.uploads.send(json.dumps(event))

    def wait_for_status(self, blob: Blob, status: BlobStatus) -> Blob:
        """Wait until the blob has a status; return the blob."""
        wait_until(lambda: self.stores.now(blob).status is status)
        return self.stores.now(blob)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make every backoff short; return the receive counts of the messages that failed."""
    asked: list[int] = []

    def short(receive_count: int) -> timedelta:
        asked.append(receive_count)
        return timedelta(milliseconds=10)

    monkeypatch.setattr("embedded.worker.backoff", short)
    monkeypatch.setattr("embedded.worker.RECOVERY_PAUSE", 0.02)
    return asked


@pytest.fixture
def running(stores: EmbeddedStores, quick: list[int]) -> Iterator[Callable[..., Works]]:
    started: list[Works] = []

    def start(*script: Any, max_receives: int = 5) -> Works:
        works = Works(stores, ScriptedDetector(*script), max_receives=max_receives)
        started.append(works)
        works.start()
        return works

    yield start
    for works in started:
        assert works.worker.stop(SOON)


def test_upload_is_labelled_and_its_change_handled(running: Callable[..., Works]) -> None:
    """The message is deleted, and the notifier gets a stream record."""
    works = running()
    blob = works.upload()
    done = works.wait_for_status(blob, BlobStatus.LABELLED)
    assert done.labels == CAT.labels
    wait_until(lambda: works.uploads.depth() == 0)
    wait_until(
        lambda: any(
            record["dynamodb"]["NewImage"]["status"] == {"S": "LABELLED"}
            for record in works.records_from("aws:dynamodb")
        )
    )


def test_deletion_reaches_the_notifier(running: Callable[..., Works]) -> None:
    """At once, as a REMOVE record. Messages about the blob are deleted."""
    works = running()
    blob = works.stores.labelled("anna", Label("Cat", 90.0))
    works.stores.blobs.delete(blob, works.stores.clock())
    works.send(blob)

    def removed() -> list[Any]:
        return [
            each for each in works.records_from("aws:dynamodb") if each["eventName"] == "REMOVE"
        ]

    wait_until(removed)
    (record,) = removed()
    assert "NewImage" not in record["dynamodb"]
    assert record["dynamodb"]["OldImage"]["id"] == {"S": blob.id}
    wait_until(lambda: works.uploads.depth() == 0)
    wait_until(lambda: not works.stores.storage.path(blob.key).exists())


def test_delivery_jobs_reach_the_notifier(running: Callable[..., Works]) -> None:
    """As SQS messages, which are then deleted."""
    works = running()
    works.delivery_queue.send('{"delivery_id": "x"}')
    wait_until(lambda: works.records_from("aws:sqs") and works.delivery_queue.depth() == 0)
    assert works.records_from("aws:sqs")[0]["body"] == '{"delivery_id": "x"}'


def test_failing_message_is_retried(running: Callable[..., Works], quick: list[int]) -> None:
    """With a backoff that grows with each attempt."""
    works = running(Unavailable("later"), Unavailable("later"), RuntimeError("bug"), CAT)
    blob = works.upload()
    works.wait_for_status(blob, BlobStatus.LABELLED)
    assert quick == [1, 2, 3]
    assert works.uploads.dead_depth() == 0


def test_message_that_keeps_failing_fails_its_blob(
    running: Callable[..., Works], quick: list[int]
) -> None:
    """LABELLER_UNAVAILABLE; the message becomes a dead letter."""
    works = running(Unavailable("never"), max_receives=3)
    blob = works.upload()
    failed = works.wait_for_status(blob, BlobStatus.FAILED)
    assert failed.failure is not None
    assert failed.failure.code is FailureCode.LABELLER_UNAVAILABLE
    assert quick == [1, 2, 3]
    (letter,) = works.uploads.dead_letters(10)
    assert blob.id in letter.body
    assert works.uploads.depth() == 0


def test_redriven_dead_letter_is_labelled(running: Callable[..., Works]) -> None:
    """When the cause is repaired."""
    works = running(Unavailable("down"), Unavailable("down"), CAT, max_receives=2)
    blob = works.upload()
    works.wait_for_status(blob, BlobStatus.FAILED)
    assert works.uploads.redrive() == 1
    done = works.wait_for_status(blob, BlobStatus.LABELLED)
    assert done.failure is None
    wait_until(lambda: works.uploads.depth() == 0)
    assert works.uploads.dead_depth() == 0


def test_malformed_message_becomes_a_dead_letter(
    running: Callable[..., Works],
) -> None:
    """It names no blob. The others go on."""
    works = running(max_receives=2)
    works.uploads.send("poison")
    blob = works.upload()
    works.wait_for_status(blob, BlobStatus.LABELLED)
    wait_until(lambda: works.uploads.dead_depth() == 1)
    assert works.worker.health_error() is None


def test_message_of_a_former_process_is_received_at_once(
    stores: EmbeddedStores, running: Callable[..., Works]
) -> None:
    """Not after the visibility timeout."""
    blob = stores.labelling()
    event = object_created(blob.key, size=5, sha256="c2hh", at=stores.clock())
    former = stores.queue()
    former.send(json.dumps(event))
    assert former.receive()
    works = running()
    works.wait_for_status(blob, BlobStatus.LABELLED)


def test_start_fails_blobs_of_earlier_dead_letters(
    stores: EmbeddedStores, running: Callable[..., Works]
) -> None:
    """A process may have died after the dead letter and before the blob's failure."""
    blob = stores.labelling()
    event = object_created(blob.key, size=5, sha256="c2hh", at=stores.clock())
    stores.queue().send_dead_letter(json.dumps(event))
    works = running()
    works.wait_for_status(blob, BlobStatus.FAILED)


def test_blob_without_bytes_expires(stores: EmbeddedStores, running: Callable[..., Works]) -> None:
    """After a day. Younger blobs and those with bytes stay."""
    long_ago = stores.clock() - timedelta(hours=25)
    old = stores.awaiting(id=new_id(long_ago), created_at=long_ago)
    labelled_old = stores.labelled("anna", id=new_id(long_ago), created_at=long_ago)
    young = stores.awaiting()
    works = running()
    works.wait_for_status(old, BlobStatus.EXPIRED)
    assert stores.now(young) == young
    assert stores.now(labelled_old) == labelled_old


def test_notifier_sweeps_at_start(running: Callable[..., Works]) -> None:
    """It finds webhooks that became due while nothing ran."""
    works = running()
    wait_until(lambda: works.records_from("aws.events"))


def test_stop_ends_idle_threads_at_once(stores: EmbeddedStores, quick: list[int]) -> None:
    works = Works(stores, ScriptedDetector())
    works.start()
    assert works.worker.health_error() is None
    assert works.worker.stop(SOON)
    assert "labeller-0" in (works.worker.health_error() or "")


def test_stop_waits_for_work_in_progress_up_to_its_timeout(
    stores: EmbeddedStores, quick: list[int]
) -> None:
    """It returns False if some threads did not end. Their messages stay in the queue."""
    hold, begun = threading.Event(), threading.Event()

    def slow(_: Any) -> Any:
        begun.set()
        hold.wait(PATIENCE)
        return CAT

    works = Works(stores, ScriptedDetector(slow))
    works.start()
    blob = works.upload()
    assert begun.wait(PATIENCE)
    assert not works.worker.stop(0.05)
    assert works.uploads.depth() == 1
    hold.set()
    works.wait_for_status(blob, BlobStatus.LABELLED)
    assert works.worker.stop(SOON)


def test_no_message_is_received_after_stop(stores: EmbeddedStores, quick: list[int]) -> None:
    """It stays for the next start."""
    detector = ScriptedDetector()
    works = Works(stores, detector)
    works.start()
    assert works.worker.stop(SOON)
    works.upload()
    time.sleep(0.05)
    assert detector.calls == []
    assert works.uploads.depth() == 1


def test_stop_between_two_reads_of_the_feed_is_not_lost(
    stores: EmbeddedStores, quick: list[int]
) -> None:
    """The feed clears its event between two reads."""
    works = Works(stores, ScriptedDetector())

    class StoppedJustBefore(threading.Event):
        def clear(self) -> None:
            works.worker._stopping.set()
            self.set()
            super().clear()

    works.worker._changed = StoppedJustBefore()
    thread = threading.Thread(target=works.worker._follow_feed, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_threads_survive_a_store_error(
    running: Callable[..., Works], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They log it, pause and go on. Nothing is lost."""
    works = running()
    failing = threading.Event()
    failing.set()
    failed: set[str] = set()

    def breaking(owner: type, name: str, error: Exception) -> None:
        original = getattr(owner, name)

        def maybe(self: Any, *args: Any, **kwargs: Any) -> Any:
            if failing.is_set() and threading.current_thread() is not threading.main_thread():
                failed.add(name)
                raise error
            return original(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, maybe)

    breaking(type(works.stores.blobs.changes), "read_after", RuntimeError("bug"))
    works.wait_for_status(works.upload(), BlobStatus.LABELLED)  # which wakes the feed
    wait_until(lambda: failed == {"read_after"})
    breaking(type(works.uploads), "_take", Unavailable("disk full"))
    blob = works.upload()
    wait_until(lambda: failed == {"_take", "read_after"})
    assert works.worker.health_error() is None
    assert works.stores.now(blob) == blob
    failing.clear()
    works.wait_for_status(blob, BlobStatus.LABELLED)
    wait_until(lambda: works.records_from("aws:dynamodb"))
    assert works.worker.health_error() is None
    assert "store unavailable: disk full" in caplog.text
    assert "change feed: unexpected error" in caplog.text


def test_malformed_dead_letter_is_logged_and_left(
    stores: EmbeddedStores, caplog: pytest.LogCaptureFixture
) -> None:
    works = Works(stores, ScriptedDetector())
    for body in ("poison", "{}", "[" * 100_000):
        works.dead_letters.give_up(Message("1", "", body, 1, stores.clock()))
    assert caplog.text.count("dead letter left as it is") == 3


def test_log_of_a_dead_letter_names_its_blob(
    stores: EmbeddedStores, caplog: pytest.LogCaptureFixture
) -> None:
    works = Works(stores, ScriptedDetector())
    blob = stores.labelling()
    event = json.dumps(object_created(blob.key, size=5, sha256="c2hh", at=stores.clock()))
    caplog.handler.addFilter(AddLogContext())
    works.dead_letters.take(Message("7", "", event, 1, stores.clock()))
    works.dead_letters.take(Message("8", "", "not JSON", 1, stores.clock()))
    given_up = [each for each in caplog.records if each.getMessage().startswith("given up")]
    known = [(vars(each).get("message_id"), vars(each).get("blob_id")) for each in given_up]
    assert known == [("7", blob.id), ("8", None)]
    assert [vars(each).get("owner") for each in given_up] == [blob.owner, None]


@pytest.mark.parametrize("error", [Unavailable("disk full"), VersionConflict("b", 1)])
def test_message_is_no_dead_letter_before_its_blob_failed(
    stores: EmbeddedStores, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """If the failure can't be recorded, the message stays in its queue."""
    works = Works(stores, ScriptedDetector(Unavailable("down")), max_receives=1)

    def fail(*_: object) -> None:
        raise error

    blob = works.upload()
    (message,) = works.uploads.receive()
    works.uploads.change_visibility(message.receipt, timedelta(0))
    with monkeypatch.context() as patch:
        patch.setattr(type(stores.blobs), "save", fail)
        with pytest.raises(type(error)):
            works.uploads.receive()
    assert works.uploads.dead_depth() == 0
    assert works.uploads.receive() == []
    assert works.uploads.dead_depth() == 1
    assert stores.now(blob).status is BlobStatus.FAILED


def test_quarantined_change_is_retried(running: Callable[..., Works]) -> None:
    """The notifier gets it once more, and it is then deleted."""
    works = running()
    works.wait_for_status(works.upload(), BlobStatus.LABELLED)
    event = stream_event(works.stores.blobs.changes.read_after(0, 1))
    works.quarantine.send(json.dumps(event))
    wait_until(lambda: event in works.events)
    wait_until(lambda: works.quarantine.depth() == 0)
