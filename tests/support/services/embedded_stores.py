"""The embedded stores over one folder, with short ways to create records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from api.auth.api_keys import authenticate_by_key
from api.services.dependencies import Services
from core.domain.api_key import hash_key, new_key
from core.domain.blob import (
    Blob,
    BlobStatus,
    Failure,
    FailureCode,
    ImageType,
    expire,
    receive_upload,
    record_failure,
    record_labels,
)
from core.domain.change import label_names
from core.domain.clock import new_id
from core.domain.corrections import DecisionKind
from core.domain.label import Detection, Embedding, Label
from core.domain.webhook_url import CallbackRules
from core.queues.base import Message
from core.queues.sqlite import SqliteQueue
from core.repositories.ports.owners import ApiKey
from core.repositories.ports.uploads import UploadLimits
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from core.repositories.sqlite.owners import SqliteOwnerRepository
from core.repositories.sqlite.uploads import SqliteUploadRepository
from core.storage.files import FileStorage
from core.storage.signed_url import UrlSigner
from embedded.similar.index import SimilarIndex
from tests.support.blobs import corrected
from tests.support.images.embeddings import of_text
from tests.support.services.databases import open_database

MAX_UPLOAD = 15_000_000
TICK = timedelta(milliseconds=1)


class MovableClock(Protocol):
    """A clock that a test advances."""

    def __call__(self) -> Any: ...

    def advance(self, by: timedelta) -> None: ...


class EmbeddedStores:
    """All real stores of the embedded service, over one folder and one clock."""

    def __init__(self, root: Path, clock: MovableClock) -> None:
        self.root = root
        self.clock = clock
        self.database = open_database(root / "labelling.sqlite")
        self.blobs = SqliteBlobRepository(self.database, clock)
        self.deliveries = SqliteDeliveryRepository(self.database)
        self.owners = SqliteOwnerRepository(self.database, lambda: "whsec_c2VjcmV0")
        self.signer = UrlSigner(b"secret", "http://testserver")
        self.storage = FileStorage(root, self.signer)
        self.uploads = SqliteUploadRepository(self.database, self.blobs, UploadLimits())
        self.enqueued: list[str] = []
        self.relabelled: list[Blob] = []

    def services(self, keyless_owner: str | None = None) -> Services:
        """Return the services of the API."""
        return Services(
            blobs=self.blobs,
            uploads=self.uploads,
            deliveries=self.deliveries,
            owners=self.owners,
            storage=self.storage,
            clock=self.clock,
            authenticate=authenticate_by_key(self.owners, keyless_owner, self.clock),
            max_upload_bytes=MAX_UPLOAD,
            enqueue_delivery=self.enqueued.append,
            relabel=self.relabelled.append,
            callback_rules=CallbackRules(),
            similar=SimilarIndex(self.database, encode=of_text),
        )

    def set_bounds(self, bounds: UploadLimits) -> None:
        """Set the limits of every owner's uploads."""
        self.uploads._limits = bounds

    def queue(
        self,
        name: str = "uploads",
        *,
        max_receives: int = 5,
        on_dead: Callable[[Message], None] = lambda _: None,
    ) -> SqliteQueue:
        """Return a queue in the same database."""
        return SqliteQueue(
            self.database,
            name,
            self.clock,
            visibility=timedelta(seconds=60),
            max_receives=max_receives,
            on_dead=on_dead,
        )

    def key_for(self, owner: str, **values: Any) -> str:
        """Create an API key."""
        key = new_key()
        self.owners.add_key(ApiKey(hash_key(key), owner, "", self.clock(), **values))
        return key

    def awaiting(self, owner: str = "anna", **values: Any) -> Blob:
        """Create a blob without bytes, a millisecond younger than the one before."""
        self.clock.advance(TICK)
        now = self.clock()
        blob = Blob(
            id=new_id(now),
            owner=owner,
            status=BlobStatus.AWAITING_UPLOAD,
            content_type=ImageType.JPEG,
            created_at=now,
            max_labels=10,
            min_confidence=55.0,
        )
        blob = replace(blob, **values)
        self.blobs.create(blob)
        return blob

    def labelling(self, owner: str = "anna", **values: Any) -> Blob:
        """Create a blob with bytes."""
        blob = self.awaiting(owner, **values)
        self.storage.put(blob.key, b"bytes")
        return self.saved(receive_upload(blob, self.clock(), size=5, sha256="c2hh"))

    def labelled(
        self, owner: str = "anna", *labels: Label, embedding: Embedding | None = None, **values: Any
    ) -> Blob:
        """Create a blob with labels, and an embedding if one is given."""
        blob = self.labelling(owner, **values)
        detection = Detection(labels, width=640, height=480, detector="eye 1")
        blob = self.saved(record_labels(blob, self.clock(), detection), embedding)
        names = {label.name for label in labels}
        self.blobs.count_labels(owner, blob.id, blob.version, names)
        return blob

    def corrected(self, blob: Blob, kind: DecisionKind | None, *names: str) -> Blob:
        """Store the owner's decision about some labels of a blob."""
        changed = self.saved(corrected(blob, kind, *names, at=self.clock()))
        self.blobs.count_labels(blob.owner, blob.id, changed.version, label_names(changed))
        return changed

    def failed(self, owner: str = "anna", **values: Any) -> Blob:
        """Create a blob that could not be labelled."""
        failure = Failure(FailureCode.CORRUPT_IMAGE, "The picture breaks off.")
        return self.saved(record_failure(self.labelling(owner, **values), self.clock(), failure))

    def expired(self, owner: str = "anna", **values: Any) -> Blob:
        """Create a blob that expired."""
        return self.saved(expire(self.awaiting(owner, **values), self.clock()))

    def saved(self, blob: Blob, embedding: Embedding | None = None) -> Blob:
        """Save the blob's new version."""
        self.blobs.save(blob, self.now(blob), embedding)
        return blob

    def now(self, blob: Blob) -> Blob:
        """Return the blob as it is stored now."""
        found = self.blobs.get(blob.id)
        assert found is not None
        return found

    def incoming(self) -> list[Path]:
        """Return the temporary files of uploads."""
        return list((self.root / ".incoming").glob("*"))

    def close(self) -> None:
        """Close the database."""
        self.database.close()
