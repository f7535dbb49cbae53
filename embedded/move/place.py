"""What a move reads and writes at either end: a data folder, or a stack on AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from core.domain.blob import Blob
    from core.domain.delivery import Delivery
    from core.domain.own_vocabulary import OwnVocabulary
    from core.repositories.ports.blobs import BlobRepository
    from core.repositories.ports.deliveries import DeliveryRepository
    from core.repositories.ports.owners import OwnerRepository
    from core.repositories.ports.policies import OwnerPolicy
    from core.storage.base import ObjectStorage


class Place(Protocol):
    """The records and images of a service. Every call may raise Unavailable.

    Records are written as they are, with versions and times, and nothing is sent because of it.
    """

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def blobs(self) -> BlobRepository:
        """Its blobs."""

    @property
    def deliveries(self) -> DeliveryRepository:
        """Its webhooks."""

    @property
    def owners(self) -> OwnerRepository:
        """Its owners and keys."""

    @property
    def storage(self) -> ObjectStorage:
        """Its images."""

    def pages(self) -> Iterator[Sequence[Blob]]:
        """Read all blobs, some hundreds at a time."""

    def find_blobs(self, blob_ids: Collection[str]) -> Mapping[str, Blob]:
        """Return the blobs that exist, of any owner, by id."""

    def copy_blob(self, blob: Blob, current: Blob | None) -> None:
        """Write a blob in place of `current`, or as a new one.

        Raises AlreadyExists, VersionConflict or ExternalIdTaken.
        """

    def unfinished(self, blob: Blob) -> str | None:
        """Return what the service has yet to do about a finished blob; None if nothing."""

    def find_deliveries(self, ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the webhooks that exist, by id."""

    def put_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Write webhooks with their attempts, in place of others."""

    def owners_with(self) -> Mapping[str, list[str]]:
        """Return the owners with `secrets`, `policies`, `vocabularies` and `endpoints`."""

    def put_policy(self, owner: str, policy: OwnerPolicy) -> None:
        """Write an owner's label policy, in place of another."""

    def find_vocabulary(self, owner: str) -> tuple[OwnVocabulary, datetime | None]:
        """Return an owner's vocabulary, and when it was set; None: it was not."""

    def put_vocabulary(self, owner: str, vocabulary: OwnVocabulary, at: datetime) -> None:
        """Write an owner's vocabulary, set at a time, in place of another."""

    def has_bytes(self, blob: Blob) -> bool:
        """Tell whether a blob of this place has bytes."""

    def has_original(self, blob: Blob, sha256: str) -> bool:
        """Tell whether a blob's bytes are here, with their digest in base64."""

    def original(self, blob: Blob) -> AbstractContextManager[BinaryIO]:
        """Open a blob's bytes as a seekable stream. Raises ObjectNotFound."""

    def put_original(self, blob: Blob, stream: BinaryIO, sha256: str) -> None:
        """Store a blob's bytes, with their digest in base64.

        The labeller learns of their arrival, as of an upload: it labels a blob that waits for it.
        """
