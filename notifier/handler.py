"""The notifier's ways in: AWS event JSON, whoever sends it."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from core.domain.delivery import delivery_job
from core.domain.errors import Unavailable
from core.runtime.logging import log_context
from notifier.actions import Action, CountLabels, Forget, plan
from notifier.stream import InvalidRecord, change_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from core.domain.change import Change
    from core.domain.clock import Clock
    from core.queues.base import Queue
    from core.repositories.ports.blobs import BlobRepository
    from core.repositories.ports.deliveries import DeliveryRepository
    from notifier.delivery import Deliverer
    from notifier.subscription_publisher import SubscriptionPublisher

log = logging.getLogger(__name__)

# SQS delays a message by no more than this; what is due later is found by the sweep.
LONGEST_DELAY: Final = timedelta(minutes=15)
SWEEP_LIMIT: Final = 1000


class Notifier:
    """Turns changes into deliveries, and delivery jobs into attempts.

    The due index of the deliveries is the source of truth; a job in `delivery_queue` only makes an
    attempt prompt. A stream record that can never be handled moves to `quarantine` as an event of
    its own; without that queue it fails like one that may be handled later. `publisher` sends
    changes to subscriptions last.
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
        """Take in stream records, hints (SQS) or the scheduled sweep (EventBridge).

        The answer names what is to be given again (Lambda: "partial batch responses").
        """
        records = event.get("Records", [])
        failures: list[dict[str, str]] = []
        if event.get("source") == "aws.events":
            self.sweep()
        elif records and records[0].get("eventSource") == "aws:dynamodb":
            failures = [
                {"itemIdentifier": record["dynamodb"]["SequenceNumber"]}
                for record in records
                if not self._take_change(record)
            ]
            if self._publisher:
                self._publisher.take(_changes(_done(records, failures)))
        else:
            failures = [
                {"itemIdentifier": record["messageId"]}
                for record in records
                if not self._run_delivery_job(record)
            ]
        return {"batchItemFailures": failures}

    def sweep(self) -> int:
        """Hint at every delivery that is overdue; return how many there were."""
        overdue = self._deliveries.find_due(self._clock(), SWEEP_LIMIT)
        for delivery_id in overdue:
            self._enqueue(delivery_id)
        return len(overdue)

    def _take_change(self, record: Mapping[str, Any]) -> bool:
        try:
            self._follow(record)
        except Unavailable:  # the next try may find it well
            log.exception("stream record failed", extra={"event_id": record.get("eventID")})
            return False
        except Exception:  # one record's trouble must not hide the others' failures
            log.exception("stream record set aside", extra={"event_id": record.get("eventID")})
            return self._move_to_quarantine(record)
        return True

    def _follow(self, record: Mapping[str, Any]) -> None:
        """Do what a record asks for; whatever fails, every step is tried."""
        change = change_in(record)
        blob = (change.new or change.old) if change else None
        if change is None or blob is None:
            return
        with log_context(blob_id=blob.id):
            steps = plan(change, self._clock())
            errors = [error for step in steps if (error := self._tried(step)) is not None]
        if errors:
            # Trouble that may pass goes first: the record is then told again.
            raise next((each for each in errors if isinstance(each, Unavailable)), errors[0])

    def _tried(self, step: Action) -> Exception | None:
        try:
            if isinstance(step, CountLabels):
                self._blobs.count_labels(step.owner, step.blob_id, step.version, step.names)
            elif isinstance(step, Forget):
                self._blobs.uncount_labels(step.owner, step.blob_id)
                for each in self._deliveries.remove(step.blob_id, self._clock()):
                    self._enqueue(each)
            elif self._deliveries.add(step.delivery):
                self._enqueue(step.delivery.id)
        except Exception as error:  # noqa: BLE001  # raised by whoever tried
            return error
        return None

    def _move_to_quarantine(self, record: Mapping[str, Any]) -> bool:
        if self._quarantine is None:
            return False
        try:
            self._quarantine.send(json.dumps({"Records": [record]}))
        except Exception:  # told again until it can be kept
            log.exception("not set aside", extra={"event_id": record.get("eventID")})
            return False
        return True

    def _run_delivery_job(self, record: Mapping[str, Any]) -> bool:
        try:
            delivery_id = json.loads(record["body"])["delivery_id"]
            for hint in self._deliverer.attempt(delivery_id):
                self._enqueue(hint.delivery_id, hint.delay)
        except Exception:  # one hint's trouble must not hide the others' failures
            log.exception("hint failed", extra={"message_id": record.get("messageId")})
            return False
        return True

    def _enqueue(self, delivery_id: str, delay: timedelta = timedelta(0)) -> None:
        if delay <= LONGEST_DELAY:
            self._delivery_queue.send(delivery_job(delivery_id), delay=max(delay, timedelta(0)))


def _done(
    records: list[Mapping[str, Any]], failures: list[dict[str, str]]
) -> list[Mapping[str, Any]]:
    """Return those before the first that failed: it and all behind it are given again."""
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    return records[: numbers.index(failures[0]["itemIdentifier"])] if failures else records


def _changes(records: Iterable[Mapping[str, Any]]) -> Iterator[Change]:
    for record in records:
        try:
            change = change_in(record)
        except InvalidRecord:  # set aside
            continue
        if change:
            yield change
