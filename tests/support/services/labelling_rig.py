"""The API and the labeller over one store, without a process of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from api.auth.caller import Caller
from api.services import blobs as asked
from api.services import corrections, deletions
from api.services.dependencies import Services
from api.services.labels import LabelOrder, find_by_label
from core.domain.blob import Blob
from core.domain.corrections import Correction
from core.domain.label import Detection, Label
from core.domain.webhook_url import CallbackRules
from core.events.s3 import relabel_event
from core.repositories.ports.blobs import BlobRepository
from core.repositories.ports.deliveries import DeliveryRepository
from core.repositories.ports.owners import OwnerRepository
from core.repositories.ports.uploads import UploadRepository
from core.storage.files import FileStorage
from core.storage.signed_url import UrlSigner
from labeller.handler import handle
from labeller.label_blob import BlobLabeller
from tests.support.blobs import NOON, a_blob
from tests.support.images.detectors import ScriptedDetector

DOG = Detection((Label("Dog", 80.0),), 640, 480, "eye 2")


class Rig:
    """The API and the labeller over one store; the test carries messages between them."""

    def __init__(
        self,
        blobs: BlobRepository,
        uploads: UploadRepository,
        deliveries: DeliveryRepository,
        owners: OwnerRepository,
        root: Path,
        clock: Any,
    ) -> None:
        self.blobs = blobs
        self.storage = FileStorage(root, UrlSigner(b"secret", "http://testserver"))
        self.detector = ScriptedDetector(DOG)
        self.labeller = BlobLabeller(blobs, self.storage, self.detector, clock)
        self.messages: list[dict[str, Any]] = []
        self.on_send: Callable[[], object] = lambda: None
        self.services = Services(
            blobs=blobs,
            uploads=uploads,
            deliveries=deliveries,
            owners=owners,
            storage=self.storage,
            clock=clock,
            authenticate=lambda _: asyncio.sleep(0, Caller("anna")),
            max_upload_bytes=1000,
            enqueue_delivery=lambda _: None,
            relabel=self.send,
            callback_rules=CallbackRules(),
        )

    def send(self, blob: Blob) -> None:
        event = relabel_event(blob, "pictures", NOON)
        self.messages.append(json.loads(json.dumps(event)))
        self.on_send()

    def ask(self, blob: Blob, owner: str = "anna") -> Blob:
        return asyncio.run(asked.relabel(self.services, owner, blob.id))

    def delete(self, blob: Blob, delay: timedelta = deletions.NO_DELAY) -> None:
        asyncio.run(deletions.delete(self.services, blob.owner, blob.id, delay))

    def restore(self, blob: Blob) -> None:
        asyncio.run(deletions.restore_many(self.services, blob.owner, [blob.id]))

    def correct(self, blob: Blob, *wanted: Correction) -> Blob | Exception:
        """Correct the labels of a blob; return its new state, or why that failed."""
        asking = corrections.correct_many(self.services, blob.owner, "token", [blob.id], wanted)
        return asyncio.run(asking)[blob.id]

    def carry(self, labeller: BlobLabeller | None = None) -> None:
        """Give the labeller, or another one, all messages, which stay in the queue."""
        for message in list(self.messages):
            handle(message, labeller or self.labeller)

    def another_labeller(self) -> BlobLabeller:
        """Return a labeller as in another process."""
        return BlobLabeller(self.blobs, self.storage, self.detector, self.services.clock)

    def now(self, blob: Blob) -> Blob:
        found = self.blobs.get(blob.id)
        assert found is not None
        return found

    def kept(self, *steps: Callable[[Blob], Blob]) -> Blob:
        blob = a_blob()
        self.blobs.create(blob)
        for step in steps:
            before, blob = blob, step(blob)
            self.blobs.save(blob, before)
        self.storage.put(blob.key, b"bytes")
        return blob

    def carrying(self, label: str) -> list[str]:
        page = find_by_label(
            self.blobs, "anna", label, min_confidence=0, order=LabelOrder.NEWEST, first=9
        )
        return [found.blob.id for found in page.items]
