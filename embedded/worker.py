"""The threads that turn rows into AWS events and feed them to the labeller and the notifier."""

from __future__ import annotations

import json
import logging
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import FINISHED
from core.domain.errors import Unavailable, VersionConflict
from core.storage.base import UPLOADS_END
from embedded.events import scheduled_event, sqs_event, stream_event
from labeller.s3_event import uploads_in_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from core.backends.sqlite import Database
    from core.domain.clock import Clock
    from core.queues.base import Message
    from core.queues.sqlite import SqliteQueue
    from core.repositories.sqlite.blobs import SqliteBlobRepository
    from core.repositories.sqlite.change_log import StoredChange
    from labeller.label_blob import BlobLabeller

    Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]

log = logging.getLogger(__name__)

FEED: Final = "notifier"
FEED_BATCH: Final = 100
MAX_FEED_ATTEMPTS: Final = 5
LONG_POLL: Final = timedelta(seconds=20)  # SQS's longest
SWEEP_SECONDS: Final = 60.0
CHANGES_KEPT: Final = timedelta(hours=24)  # as long as a DynamoDB stream keeps its records
RECOVERY_PAUSE: Final = 1.0
OTHERS_SECONDS: Final = 0.25


def backoff(receive_count: int) -> timedelta:
    """Return how long a message that failed rests: 1 s, 5 s, 25 s, ... at most 15 minutes."""
    # Past the fifth power it is more than the bound, and soon more than a timedelta can hold.
    return min(timedelta(seconds=5 ** min(receive_count - 1, 5)), timedelta(minutes=15))


def passes_filter(change: StoredChange) -> bool:
    """Tell whether a change may ask for anything, as an event source mapping's filter does."""
    return change.new is None or change.new.get("status") in FINISHED


class ChangeFeed:
    """Reads the change rows in order and gives them to a handler as stream events.

    A record that keeps failing is set aside in a queue of its own, so that it holds up no other
    for ever.
    """

    def __init__(
        self,
        database: Database,
        blobs: SqliteBlobRepository,
        quarantine: SqliteQueue,
        handle: Handler,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._quarantine = quarantine
        self._handle = handle
        self._tries: dict[int, int] = {}
        self._position = blobs.changes.position(FEED)

    def read(self) -> int | None:
        """Handle the next batch; return how many records it had, or None when some failed."""
        changes = self._blobs.changes.after(self._position, FEED_BATCH)
        if not changes:
            return 0
        done = changes[-1].sequence
        wanted = [change for change in changes if passes_filter(change)]
        if not wanted:
            self._position = done
            if len(changes) == FEED_BATCH:  # fewer are read again after a restart, to no effect
                self._blobs.changes.move(FEED, done)
            return len(changes)
        # One transaction: what the batch brings about and how far it was read.
        with self._database.write(synced=False):
            answer = self._handle(stream_event(wanted))
            failed = {int(item["itemIdentifier"]) for item in answer["batchItemFailures"]}
            for sequence in sorted(failed):
                self._tries[sequence] = self._tries.get(sequence, 0) + 1
                if self._tries[sequence] < MAX_FEED_ATTEMPTS:
                    done = sequence - 1
                    break
                self._tries.pop(sequence)
                record = next(each for each in wanted if each.sequence == sequence)
                self._quarantine.send(json.dumps(stream_event([record])))
                log.error("change set aside", extra={"blob_id": record.blob_id})
            self._blobs.changes.move(FEED, done)
        self._position = done
        return len(changes) if done == changes[-1].sequence else None


class Worker:
    """All background work of the embedded service."""

    def __init__(
        self,
        *,
        blobs: SqliteBlobRepository,
        feed: ChangeFeed,
        uploads: SqliteQueue,
        delivery_queue: SqliteQueue,
        quarantine: SqliteQueue,
        labeller: BlobLabeller,
        handle_uploads: Handler,
        handle_delivery_jobs: Handler,
        clock: Clock,
        label_threads: int,
        webhook_threads: int,
        upload_life: timedelta,
        trim: Callable[[datetime], None],
        written: Callable[[], bool],
    ) -> None:
        self._blobs = blobs
        self._feed = feed
        self._queues = (uploads, delivery_queue, quarantine)
        self._uploads = uploads
        self._labeller = labeller
        self._handle_delivery_jobs = handle_delivery_jobs
        self._clock = clock
        self._upload_life = upload_life
        self._trim = trim
        self._written = written
        self._stopping = threading.Event()
        self._changed = threading.Event()
        blobs.changes.listen(self._changed.set, FINISHED)
        self._threads = [
            self._thread("feed", self._follow_feed),
            self._thread("aside", self._serve, quarantine, self._retry_quarantined),
            self._thread("janitor", self._run_maintenance),
            self._thread("watch", self._watch_others),
        ]
        for number in range(label_threads):
            self._threads.append(
                self._thread(f"labeller-{number}", self._serve, uploads, handle_uploads)
            )
        for number in range(webhook_threads):
            self._threads.append(
                self._thread(f"webhook-{number}", self._serve, delivery_queue, handle_delivery_jobs)
            )

    def start(self) -> None:
        """Take up what a former process left, then begin."""
        for queue in self._queues:
            queue.show_all()
        for letter in self._uploads.dead_letters(1000):
            self.give_up(letter)
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> bool:
        """Hand out no more work and wait for what is in hand; False when some did not end."""
        self._stopping.set()
        self._changed.set()
        for queue in self._queues:
            queue.close()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def health_error(self) -> str | None:
        """Tell which threads are not running, if any."""
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        return f"not running: {', '.join(dead)}" if dead else None

    def give_up(self, letter: Message) -> None:
        """Let the blobs of a dead letter end FAILED rather than wait for ever.

        Raises Unavailable or VersionConflict when it should be tried again.
        """
        try:
            for upload in uploads_in_message(letter.body):
                self._labeller.give_up(upload)
        except (Unavailable, VersionConflict):
            raise
        except Exception:  # whatever is wrong with one letter, the queue goes on
            log.exception("dead letter left as it is", extra={"message_id": letter.id})

    def _thread(self, name: str, run: Callable[..., None], *args: object) -> threading.Thread:
        return threading.Thread(target=run, args=args, name=name, daemon=True)

    def _serve(self, queue: SqliteQueue, handle: Handler) -> None:
        while not self._stopping.is_set():
            with self._survive(queue.name):
                messages = queue.receive(wait=LONG_POLL)
                if not messages:
                    continue
                answer = handle(sqs_event(queue.name, messages))
                failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
                for message in messages:
                    if message.id in failed:
                        queue.hide(message.receipt, backoff(message.receive_count))
                    else:
                        queue.delete(message.receipt)

    def _retry_quarantined(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        failures = [
            {"itemIdentifier": record["messageId"]}
            for record in event["Records"]
            if self._handle_delivery_jobs(json.loads(record["body"]))["batchItemFailures"]
        ]
        return {"batchItemFailures": failures}

    def _follow_feed(self) -> None:
        while True:
            # In this order: `stop` sets first the one, then the other.
            self._changed.clear()
            if self._stopping.is_set():
                return
            with self._survive("change feed"):
                match self._feed.read():
                    case 0:
                        self._changed.wait()
                    case None:
                        self._stopping.wait(RECOVERY_PAUSE)

    def _run_maintenance(self) -> None:
        while not self._stopping.is_set():
            with self._survive("janitor"):
                now = self._clock()
                self._handle_delivery_jobs(scheduled_event(now))
                self._labeller.clear_deleted(now - UPLOADS_END)
                self._labeller.expire(now - self._upload_life)
                self._blobs.changes.trim(now - CHANGES_KEPT)
                self._blobs.trim_deleted(now)
                self._trim(now)
            self._stopping.wait(SWEEP_SECONDS)

    def _watch_others(self) -> None:
        """Have what commands beside the service send looked at soon."""
        while not self._stopping.wait(OTHERS_SECONDS):
            with self._survive("watch"):
                if self._written():
                    for queue in self._queues:
                        queue.wake()

    @contextmanager
    def _survive(self, name: str) -> Iterator[None]:
        """Keep a thread alive through errors: log them and pause, so that none spins."""
        try:
            yield
        except Unavailable as error:
            log.error("%s: store unavailable: %s", name, error)  # noqa: TRY400  # no bug of ours
            self._stopping.wait(RECOVERY_PAUSE)
        except Exception:
            log.exception("%s: unexpected error", name)
            self._stopping.wait(RECOVERY_PAUSE)
