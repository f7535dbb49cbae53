"""Every adapter of each port. A further adapter is a further parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import pytest

from catalogue.clock import Clock
from catalogue.originals.base import Originals
from catalogue.originals.files import FileOriginals
from catalogue.originals.signed_url import UrlSigner
from catalogue.queues.base import Queue
from catalogue.queues.sqlite import SqliteQueue
from catalogue.records.base import BlobRecords, DeliveryRecords, OwnerRecords
from catalogue.records.sqlite_blobs import SqliteBlobs
from catalogue.records.sqlite_deliveries import SqliteDeliveries
from catalogue.records.sqlite_owners import SqliteOwners
from catalogue.sqlite import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "labelling.sqlite")
    yield database
    database.close()


@pytest.fixture(params=["sqlite"])
def blobs(request: pytest.FixtureRequest, clock: Clock) -> BlobRecords:
    return SqliteBlobs(request.getfixturevalue("database"), clock)


@pytest.fixture(params=["sqlite"])
def deliveries(request: pytest.FixtureRequest) -> DeliveryRecords:
    return SqliteDeliveries(request.getfixturevalue("database"))


@pytest.fixture(params=["sqlite"])
def owners(request: pytest.FixtureRequest) -> OwnerRecords:
    """With first secrets whsec_1, whsec_2, ..."""
    numbers = count(1)
    return SqliteOwners(request.getfixturevalue("database"), lambda: f"whsec_{next(numbers)}")


class ClosableQueue(Queue, Protocol):
    def close(self) -> None: ...


@dataclass(frozen=True)
class QueueRig:
    """Makes queues of one store; what a test can't see through the port, it asks here."""

    make: Callable[..., ClosableQueue]
    dead_letters: Callable[[Any], Sequence[str]]


@pytest.fixture(params=["sqlite"])
def queues(request: pytest.FixtureRequest) -> QueueRig:
    """`make(name, clock, max_receives=...)`, with a visibility timeout of a minute."""
    database = request.getfixturevalue("database")

    def make(name: str, clock: Clock, *, max_receives: int = 100) -> SqliteQueue:
        return SqliteQueue(
            database, name, clock, visibility=timedelta(seconds=60), max_receives=max_receives
        )

    return QueueRig(make, lambda queue: [letter.body for letter in queue.dead_letters(100)])


@pytest.fixture(params=["files"])
def originals(request: pytest.FixtureRequest, tmp_path: Path) -> Originals:
    return FileOriginals(tmp_path, UrlSigner(b"secret", "http://localhost"))
