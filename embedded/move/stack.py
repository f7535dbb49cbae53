"""A stack on AWS that a data folder moves to, or comes from."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from core.backends.aws_errors import error_code, translated_errors
from core.domain.blob import BlobStatus
from core.domain.clock import utc_now
from core.domain.errors import ObjectNotFound, Unavailable
from core.domain.owner import new_secret
from core.repositories.dynamodb import copies
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.storage.s3 import S3Storage
from embedded.backup.create import has_bytes, pages_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from core.backends.encryption import SecretKeys
    from core.domain.blob import Blob
    from core.domain.delivery import Delivery
    from core.domain.own_vocabulary import OwnVocabulary
    from core.repositories.dynamodb.table import Table
    from core.repositories.ports.policies import OwnerPolicy

STREAM_RETENTION: Final = timedelta(hours=24)  # of changes that the notifier has not read


class Stack:
    """The table and the bucket of a stack. `keys` encrypt the secrets of owners."""

    name = "the stack"

    def __init__(self, table: Table, s3: Any, bucket: str, keys: SecretKeys) -> None:
        self.table = table
        self.blobs = DynamoBlobRepository(table)
        self.deliveries = DynamoDeliveryRepository(table)
        self.owners = DynamoOwnerRepository(table, new_secret, keys)
        self.storage = S3Storage(s3, bucket)
        self._s3 = s3
        self._bucket = bucket

    def pages(self) -> Iterator[Sequence[Blob]]:
        """Read all blobs: their ids by the index, which may be late, and then the table."""
        for page in pages_of(self.blobs):
            found = self.find_blobs([blob.id for blob in page])
            yield [found[blob.id] for blob in page if blob.id in found]

    def find_blobs(self, blob_ids: Collection[str]) -> Mapping[str, Blob]:
        """Return the blobs that exist, of any owner, by id."""
        return copies.find_blobs(self.table, blob_ids)

    def copy_blob(self, blob: Blob, current: Blob | None) -> None:
        """Write a blob in place of `current`, or as a new one."""
        copies.copy_blob(self.table, blob, current)

    def unfinished(self, blob: Blob) -> str | None:
        """Return what the notifier has yet to read from the table's stream; None if nothing."""
        if not blob.callback_url or blob.finished_at is None:
            return None
        if blob.finished_at < utc_now() - STREAM_RETENTION:
            return None
        latest = self.deliveries.find_latest(blob.owner, [blob.id]).get(blob.id)
        if latest is not None and latest.created_at >= blob.finished_at:
            return None
        return "the notifier has not stored its webhook: start it, wait a minute, and stop it again"

    def find_deliveries(self, ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the webhooks that exist, by id."""
        return copies.find_deliveries(self.table, ids)

    def put_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Write webhooks with their attempts, in place of others."""
        copies.put_deliveries(self.table, deliveries)

    def owners_with(self) -> Mapping[str, list[str]]:
        """Return the owners with each kind of record. It reads the whole table."""
        return copies.owners_with(self.table)

    def put_policy(self, owner: str, policy: OwnerPolicy) -> None:
        """Write an owner's label policy, in place of another."""
        copies.put_policy(self.table, owner, policy)

    def find_vocabulary(self, owner: str) -> tuple[OwnVocabulary, datetime | None]:
        """Return an owner's vocabulary, and when it was set; None: it was not."""
        return copies.find_vocabulary(self.table, owner)

    def put_vocabulary(self, owner: str, vocabulary: OwnVocabulary, at: datetime) -> None:
        """Write an owner's vocabulary, set at a time, in place of another."""
        copies.put_vocabulary(self.table, owner, vocabulary, at)

    def has_bytes(self, blob: Blob) -> bool:
        """Tell whether a blob has bytes. S3 knows of those that the labeller has not read yet."""
        if blob.status not in (BlobStatus.AWAITING_UPLOAD, BlobStatus.EXPIRED):
            return has_bytes(blob)
        try:
            self.storage.size(blob.key)
        except ObjectNotFound:
            return False
        return True

    @contextmanager
    def original(self, blob: Blob) -> Iterator[BinaryIO]:
        """Download a blob's bytes, and open them. Raises ObjectNotFound."""
        with tempfile.TemporaryFile() as stream:
            self.storage.download(blob.key, stream)
            stream.seek(0)
            yield stream

    def has_original(self, blob: Blob, sha256: str) -> bool:
        """Tell whether the bucket has a blob's bytes, with their digest in base64."""
        try:
            with translated_errors("S3"):
                found = self._s3.head_object(
                    Bucket=self._bucket, Key=blob.key, ChecksumMode="ENABLED"
                )
        except Unavailable as exc:
            if error_code(exc.__cause__) in ("404", "NoSuchKey"):
                return False
            raise
        digest: str | None = found.get("ChecksumSHA256")
        return digest == sha256

    def put_original(self, blob: Blob, stream: BinaryIO, sha256: str) -> None:
        """Store a blob's bytes. S3 refuses bytes with another digest.

        The bucket then sends the event of an upload.
        """
        with translated_errors("S3"):
            self._s3.put_object(
                Bucket=self._bucket,
                Key=blob.key,
                Body=stream,
                ContentType=blob.content_type.value,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=sha256,
            )
