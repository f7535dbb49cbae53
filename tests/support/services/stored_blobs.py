"""Many labelled blobs in a database, without pictures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from core.backends.sqlite import Database
from core.domain.blob import Blob, BlobStatus, ImageType, record_labels
from core.domain.clock import new_id
from core.domain.label import Detection, Label
from core.repositories.sqlite.blobs import SqliteBlobRepository

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
THINGS: Final = tuple(
    Label(f"Thing {n}", 95.0 - n, ("Object", "Matter"), aliases=(f"Item {n}",)) for n in range(9)
)
CAT, DOG = (Label(name, 60.0, ("Animal",)) for name in ("Cat", "Dog"))


def store_labelled(
    database: Database, blobs: SqliteBlobRepository, number: int, *, owner: str = "anna"
) -> None:
    """Store so many blobs with ten labels each, and count their labels. Every fifth has Cat."""
    for first in range(0, number, 5000):
        with database.write(synced=False):
            for each in range(first, min(first + 5000, number)):
                at = START + timedelta(seconds=each)
                blob = Blob(new_id(at), owner, BlobStatus.LABELLING, ImageType.JPEG, at, 10, 55.0)
                labels = (*THINGS, DOG if each % 5 else CAT)
                done = record_labels(blob, at, Detection(labels, 640, 480, "eye 1"))
                blobs.create(blob)
                blobs.save(done, blob)
                names = [label.name for label in labels]
                blobs.count_labels(owner, blob.id, done.version, names)
