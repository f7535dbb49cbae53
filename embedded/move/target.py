"""The stack on AWS that a data folder moves to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from core.backends.aws_errors import error_code, translated_errors
from core.domain.errors import Unavailable
from core.domain.owner import new_secret
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.storage.s3 import S3Storage

if TYPE_CHECKING:
    from core.backends.encryption import SecretKeys
    from core.domain.blob import Blob
    from core.repositories.dynamodb.table import Table


class Target:
    """The table and the bucket of a stack. `keys` encrypt the secrets of owners."""

    def __init__(self, table: Table, s3: Any, bucket: str, keys: SecretKeys) -> None:
        self.table = table
        self.blobs = DynamoBlobRepository(table)
        self.deliveries = DynamoDeliveryRepository(table)
        self.owners = DynamoOwnerRepository(table, new_secret, keys)
        self.storage = S3Storage(s3, bucket)
        self._s3 = s3
        self._bucket = bucket

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
