"""Image bytes in a bucket, received and sent by the embedded service.

Clients reach only the service, so any store that speaks S3's PUT, GET, HEAD and DELETE is enough.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

from core.domain.errors import ObjectNotFound
from core.storage.durable_files import IncomingFile, make_folder, translated
from core.storage.files import FileStorage, StoredBytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from core.storage.s3 import S3Storage
    from core.storage.signed_url import UrlSigner


class IncomingObject(IncomingFile):
    """Bytes that are being received: a temporary file, which is then stored in the bucket."""

    def __init__(self, path: Path, key: str, bucket: S3Storage) -> None:
        super().__init__(path, path)
        self._key = key
        self._bucket = bucket

    def sync(self) -> None:
        """Store the bytes in the bucket. Raises Unavailable."""
        self._file.close()
        with self._path.open("rb") as stream:
            self._bucket.upload(self._key, stream)

    def withdraw(self) -> None:
        """Delete the bytes from the bucket again."""
        self._bucket.delete(self._key)

    def keep(self) -> None:
        """Do nothing: the bucket has the bytes."""

    def sync_name(self) -> None:
        """Do nothing: the bucket has the name."""


class BucketStorage(FileStorage):
    """Image bytes in a bucket; those that the folder `root` has are read there.

    `offload` moves them. What is derived from bytes stays in the folder.
    """

    def __init__(self, root: Path, signer: UrlSigner, bucket: S3Storage) -> None:
        super().__init__(root, signer)
        self._bucket = bucket

    def put(self, key: str, content: bytes) -> None:
        """Store bytes under a key, in place of older ones."""
        self._bucket.put(key, content)
        self._delete_file(key)

    def open(self, key: str) -> BinaryIO:
        """Open the bytes as a seekable stream. Raises ObjectNotFound."""
        with suppress(ObjectNotFound):  # not by `file_of`, whose file may move meanwhile
            return super().open(key)
        stored = self.file_of(key)
        try:
            with translated(key):
                return stored.path.open("rb")
        finally:
            stored.release()  # an open file stays readable

    def read_start(self, key: str, length: int) -> bytes:
        """Return the first `length` bytes, or fewer. Raises ObjectNotFound."""
        with suppress(ObjectNotFound):
            return super().read_start(key, length)
        return self._bucket.read_start(key, length)

    def size(self, key: str) -> int:
        """Return the size in bytes. Raises ObjectNotFound."""
        with suppress(ObjectNotFound):
            return super().size(key)
        return self._bucket.size(key)

    def delete(self, key: str, version: str | None = None) -> None:
        """Delete the bytes and what is derived from them, if there are any."""
        super().delete(key)
        self._bucket.delete(key, version)

    def receive(self, key: str) -> AbstractContextManager[IncomingFile]:
        """Receive bytes for a key in chunks. The end of the block deletes the temporary file."""
        return self._receive_object(key)

    def file_of(self, key: str) -> StoredBytes:
        """Return a file with the bytes, which are fetched if need be. Raises ObjectNotFound.

        `offload` deletes a file that was not fetched: see `use_file`.
        """
        with suppress(ObjectNotFound):
            return super().file_of(key)
        path = self._incoming / secrets.token_hex(16)
        fetched = StoredBytes(path, is_temporary=True)
        try:
            with translated(key):
                make_folder(path.parent)
                with path.open("xb") as stream:
                    self._bucket.download(key, stream)
        except BaseException:
            fetched.release()
            raise
        return fetched

    def offload(self, key: str) -> None:
        """Move bytes from the folder to the bucket. Raises ObjectNotFound if the folder has none.

        A reader finds them at every moment.
        """
        with translated(key), self.path(key).open("rb") as stream:
            self._bucket.upload(key, stream)
        self._delete_file(key)

    def remote_keys(self) -> Iterator[str]:
        """List the keys of all originals in the bucket. Raises Unavailable."""
        return self._bucket.keys("originals/")

    def _delete_file(self, key: str) -> None:
        path = self.path(key)
        with translated(key):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()  # an owner's folder, if it is empty

    @contextmanager
    def _receive_object(self, key: str) -> Iterator[IncomingFile]:
        self.path(key)  # raises for an invalid key
        with translated(key):
            make_folder(self._incoming)
            incoming = IncomingObject(self._incoming / secrets.token_hex(16), key, self._bucket)
        try:
            with translated(key):
                yield incoming
        finally:
            incoming.discard()
