"""Many webhooks to one endpoint, sent by many workers at the same time."""

from __future__ import annotations

import queue
import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace

from core.domain.clock import utc_now
from core.domain.delivery import MAX_PER_ENDPOINT, Delivery, DeliveryState, delivery_id
from core.domain.owner import Owner
from core.repositories.ports.deliveries import DeliveryRepository
from notifier.delivery import Deliverer
from notifier.http.client import Response
from tests.support.waiting import PATIENCE

Jobs = queue.Queue[str | None]
URL = "https://example.test/hook"


@dataclass(frozen=True)
class Rushed:
    """What a rush came to: webhooks sent once, those still pending, the most at the same time."""

    sent_once: int
    pending: int
    most: int


class Receiver:
    """Answers every webhook, and counts how many it has at the same time.

    The first ones are answered when the endpoint has as many as it may: then others are in line.
    """

    def __init__(self) -> None:
        self._full = threading.Barrier(MAX_PER_ENDPOINT, timeout=PATIENCE)
        self.received: Counter[str] = Counter()
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def post(self, _url: str, headers: Mapping[str, str], _body: bytes) -> Response:
        with self._lock:
            self.received[headers["webhook-id"]] += 1
            self._now += 1
            self.most = max(self.most, self._now)
            early = self.received.total() <= MAX_PER_ENDPOINT
        if early:
            self._full.wait()
        with self._lock:
            self._now -= 1
        return Response(204, None, b"")


def _work(deliverer: Deliverer, jobs: Jobs, errors: list[Exception]) -> None:
    while (job := jobs.get()) is not None:
        try:
            for each in deliverer.attempt(job):
                jobs.put(each.delivery_id)
        except Exception as error:  # noqa: BLE001  # `rush` raises it
            errors.append(error)
        finally:
            jobs.task_done()


def rush(deliveries: DeliveryRepository, webhooks: int, workers: int, run: int = 0) -> Rushed:
    """Send that many webhooks to one endpoint until no job is left, without a sweep."""
    receiver = Receiver()
    deliverer = Deliverer(
        deliveries,
        SimpleNamespace(get_or_create=Owner),
        receiver,
        utc_now,
        random.Random(7),  # noqa: S311  # jitter
        lease_duration=timedelta(minutes=10),
    )
    jobs: Jobs = queue.Queue()
    errors: list[Exception] = []
    arguments = (deliverer, jobs, errors)
    threads = [threading.Thread(target=_work, args=arguments, daemon=True) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for number in range(webhooks):
        blob_id, now = f"run{run}blob{number}", utc_now()
        new = Delivery(delivery_id(blob_id, 3), blob_id, f"owner {run}", URL, b"{}", now, now)
        if deliveries.add(new):
            jobs.put(new.id)
    jobs.join()
    for _ in threads:
        jobs.put(None)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    pending = sum(1 for _ in deliveries.find_by_state(DeliveryState.PENDING, owner=f"owner {run}"))
    return Rushed(list(receiver.received.values()).count(1), pending, receiver.most)
