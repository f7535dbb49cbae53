"""Read the change rows in order and give them to a handler as DynamoDB stream events."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import FINISHED
from embedded.events import stream_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from core.backends.sqlite import Database
    from core.queues.sqlite import SqliteQueue
    from core.repositories.sqlite.blobs import SqliteBlobRepository
    from core.repositories.sqlite.change_log import StoredChange

    Handler = Callable[[Mapping[str, Any]], Mapping[str, Any]]

log = logging.getLogger(__name__)

FEED: Final = "notifier"
FEED_BATCH: Final = 100
MAX_FEED_ATTEMPTS: Final = 5


class ChangeFeed:
    """The notifier's place in the change rows.

    A change that keeps failing moves to `quarantine`, so that it does not hold up the others.
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
        self._attempts: dict[int, int] = {}
        self._position = blobs.changes.position(FEED)

    def listen(self, call: Callable[[], None]) -> None:
        """Call `call` after each commit of a change that the handler may need."""
        self._blobs.changes.listen(call, FINISHED)

    def read(self) -> int | None:
        """Handle the next batch; return its number of changes, or None when some failed."""
        changes = self._blobs.changes.read_after(self._position, FEED_BATCH)
        if not changes:
            return 0
        done = changes[-1].sequence
        wanted = [change for change in changes if passes_filter(change)]
        if not wanted:
            self._position = done
            if len(changes) == FEED_BATCH:  # fewer are read again after a restart, to no effect
                self._blobs.changes.save_position(FEED, done)
            return len(changes)
        # One transaction holds the effects of the batch and the new position.
        with self._database.write(synced=False):
            answer = self._handle(stream_event(wanted))
            failed = {int(item["itemIdentifier"]) for item in answer["batchItemFailures"]}
            for sequence in sorted(failed):
                self._attempts[sequence] = self._attempts.get(sequence, 0) + 1
                if self._attempts[sequence] < MAX_FEED_ATTEMPTS:
                    done = sequence - 1
                    break
                self._attempts.pop(sequence)
                record = next(each for each in wanted if each.sequence == sequence)
                self._quarantine.send(json.dumps(stream_event([record])))
                log.error("change quarantined", extra={"blob_id": record.blob_id})
            self._blobs.changes.save_position(FEED, done)
        self._position = done
        return len(changes) if done == changes[-1].sequence else None


def passes_filter(change: StoredChange) -> bool:
    """Tell whether the handler may need a change, as an event source mapping's filter does."""
    if change.new is None or change.new.get("status") in FINISHED:
        return True
    return change.old is not None and change.old.get("edits") != change.new.get("edits")


def has_unread(blobs: SqliteBlobRepository) -> bool:
    """Tell whether the handler still needs a change, so that counts of labels may be behind."""
    position = blobs.changes.position(FEED)
    while changes := blobs.changes.read_after(position, FEED_BATCH):
        if any(map(passes_filter, changes)):
            return True
        position = changes[-1].sequence
    return False


def retry_quarantined(handle: Handler, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give `handle` the stream events that an SQS event of quarantined changes holds."""
    failures = [
        {"itemIdentifier": record["messageId"]}
        for record in event["Records"]
        if handle(json.loads(record["body"]))["batchItemFailures"]
    ]
    return {"batchItemFailures": failures}
