"""The notifier's event handler: takes AWS event JSON from any source."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from core.domain.delivery import delivery_job
from core.domain.errors import Unavailable
from core.runtime.logging import log_context
from notifier.actions import Action, AddDelivery, CountLabels, RemoveBlob, actions_for
from notifier.stream import InvalidRecord, change_in, event_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from core.domain.blob_event import BlobEvent
    from core.domain.clock import Clock
    from core.queues.base import Queue
    from core.repositories.ports.blobs import BlobRepository
    from core.repositories.ports.deliveries import DeliveryRepository
    from notifier.delivery import Deliverer
    from notifier.subscription_publisher import SubscriptionPublisher

log = logging.getLogger(__name__)

# SQS's longest delay. The sweep finds deliveries that are due later.
MAX_DELAY: Final = timedelta(minutes=15)
SWEEP_LIMIT: Final = 1000


class Notifier:
    """Turns changes into deliveries, and delivery jobs into attempts.

    The due index of the deliveries is the source of truth; a job in `delivery_queue` only makes an
    attempt prompt. A stream record that can never be handled moves to `quarantine` as an event of
    its own; without that queue it is retried like any other failure. `publisher` sends changes to
    subscriptions last.
    """

    def __init__(
        self,
        blobs: BlobRepository,
        deliveries: DeliveryRepository,
        deliverer: Deliverer,
        delivery_queue: Queue,
        clock: Clock,
        quarantine: Queue | None = None,
        publisher: SubscriptionPublisher | None = None,
    ) -> None:
        self._blobs = blobs
        self._deliveries = deliveries
        self._deliverer = deliverer
        self._delivery_queue = delivery_queue
        self._clock = clock
        self._quarantine = quarantine
        self._publisher = publisher

    def handle(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Handle stream records, delivery jobs (SQS) or the scheduled sweep (EventBridge).

        The result names the records to retry (Lambda: "partial batch responses").
        """
        records = event.get("Records", [])
        failures: list[dict[str, str]] = []
        if event.get("source") == "aws.events":
            self.sweep()
        elif records and records[0].get("eventSource") == "aws:dynamodb":
            failures = [
                {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
                for record in self._handle_changes(records)
            ]
            if self._publisher:
                self._publisher.publish(_events(_before_failure(records, failures)))
        else:
            failures = [
                {"itemIdentifier": record["messageId"]}
                for record in records
                if not self._run_delivery_job(record)
            ]
        return {"batchItemFailures": failures}

    def sweep(self) -> int:
        """Enqueue a job for every overdue delivery, and return how many there were."""
        overdue = self._deliveries.find_due(self._clock(), SWEEP_LIMIT)
        for delivery_id in overdue:
            self._enqueue(delivery_id)
        return len(overdue)

    def _handle_changes(self, records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Handle stream records and return those to be retried.

        The labels of all changes are counted together, after the webhooks, which do not wait.
        """
        counts: list[list[CountLabels]] = [[] for _ in records]
        applied = [
            self._guard(record, partial(self._apply, record, its_counts))
            for record, its_counts in zip(records, counts, strict=True)
        ]
        counted = self._count(records, counts)
        done = zip(records, applied, counted, strict=True)
        return [record for record, *succeeded in done if not all(succeeded)]

    def _count(
        self, records: Sequence[Mapping[str, Any]], counts: Sequence[list[CountLabels]]
    ) -> list[bool]:
        """Count the labels of the records' changes; tell for each record whether that is done."""
        try:
            if batch := list(chain.from_iterable(counts)):
                self._blobs.count_batch(batch)
        except Unavailable:
            log.exception("labels not counted, will be retried")
            return [not its_counts for its_counts in counts]
        except Exception:  # one record's error must not hide the counts of others
            log.exception("labels not counted together")
            return [
                self._guard(record, partial(self._blobs.count_batch, its_counts))
                for record, its_counts in zip(records, counts, strict=True)
            ]
        return [True] * len(records)

    def _guard(self, record: Mapping[str, Any], call: Callable[[], None]) -> bool:
        """Handle a part of a stream record. Return False if it must be retried."""
        try:
            call()
        except Unavailable:  # a retry may succeed
            log.exception("stream record failed", extra={"event_id": record.get("eventID")})
            return False
        except Exception:  # one record's error must not hide the failures of others
            log.exception(
                "stream record moves to quarantine", extra={"event_id": record.get("eventID")}
            )
            return self._move_to_quarantine(record)
        return True

    def _apply(self, record: Mapping[str, Any], counts: list[CountLabels]) -> None:
        """Run the actions for a record's change. A failed action doesn't stop the others.

        What is to be counted is only added to `counts`.
        """
        change = change_in(record)
        blob = (change.new or change.old) if change else None
        if change is None or blob is None:
            return
        with log_context(blob_id=blob.id):
            actions = actions_for(change, self._clock())
            counts += [action for action in actions if isinstance(action, CountLabels)]
            errors = [error for action in actions if (error := self._run(action)) is not None]
        if errors:
            # An Unavailable goes first, because it makes the record be retried.
            raise next((each for each in errors if isinstance(each, Unavailable)), errors[0])

    def _run(self, action: Action) -> Exception | None:
        """Run an action, except a count, and return its error if it fails."""
        try:
            match action:
                case RemoveBlob():
                    self._blobs.uncount_labels(action.owner, action.blob_id)
                    for delivery_id in self._deliveries.remove(action.blob_id, self._clock()):
                        self._enqueue(delivery_id)
                case AddDelivery():
                    if self._deliveries.add(action.delivery):
                        self._enqueue(action.delivery.id)
        except Exception as error:  # noqa: BLE001  # _apply raises it
            return error
        return None

    def _move_to_quarantine(self, record: Mapping[str, Any]) -> bool:
        if self._quarantine is None:
            return False
        try:
            self._quarantine.send(json.dumps({"Records": [record]}))
        except Exception:  # the record is retried until the queue accepts it
            log.exception("quarantine failed", extra={"event_id": record.get("eventID")})
            return False
        return True

    def _run_delivery_job(self, record: Mapping[str, Any]) -> bool:
        try:
            delivery_id = json.loads(record["body"])["delivery_id"]
            for job in self._deliverer.attempt(delivery_id):
                self._enqueue(job.delivery_id, job.delay)
        except Exception:  # one job's error must not hide the failures of others
            log.exception("delivery job failed", extra={"message_id": record.get("messageId")})
            return False
        return True

    def _enqueue(self, delivery_id: str, delay: timedelta = timedelta(0)) -> None:
        if delay <= MAX_DELAY:
            self._delivery_queue.send(delivery_job(delivery_id), delay=max(delay, timedelta(0)))


def _before_failure(
    records: list[Mapping[str, Any]], failures: list[dict[str, str]]
) -> list[Mapping[str, Any]]:
    """Return the records before the first failure. The stream repeats it and those after it."""
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    return records[: numbers.index(failures[0]["itemIdentifier"])] if failures else records


def _events(records: Iterable[Mapping[str, Any]]) -> Iterator[BlobEvent]:
    for record in records:
        try:
            event = event_in(record)
        except InvalidRecord:  # in quarantine
            continue
        if event:
            yield event
