"""Where the originals of a data folder are: in the folder, or in a bucket."""

from __future__ import annotations

import logging
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote

from core.domain.blob import parse_original_key
from core.domain.errors import LabellingError, ObjectNotFound, Unavailable
from core.runtime.settings import BadSetting
from core.storage.bucket import BucketStorage
from core.storage.files import FileStorage
from core.storage.s3 import S3Storage
from core.storage.signed_url import UrlSigner
from embedded.s3 import read_address, s3_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.backends.sqlite import Database
    from core.repositories.sqlite.blobs import SqliteBlobRepository
    from embedded.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")

NO_URLS: Final = UrlSigner(tuple, "")  # for commands, which sign none
_FACT: Final = "storage"  # the database remembers the address
_PROBE: Final = ".labelling-probe"


def choose_storage(settings: Settings, database: Database) -> None:
    """Remember where the setting says that originals are.

    A new bucket is tried first. Raises BadSetting where the originals are elsewhere already, or the
    bucket can't be used.
    """
    if settings.storage == stored_address(database):
        return
    if problem := storage_problem(settings, database):
        raise BadSetting(problem)
    with database.write() as connection:
        connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, settings.storage))


def storage_problem(settings: Settings, database: Database) -> str | None:
    """Return why the setting's storage can't be used; None: it can. A bucket is tried."""
    known, wanted = stored_address(database), settings.storage
    if known is not None and (wanted is None or not _is_same(known, wanted)):
        return f"The images of {settings.data} are in {known}: start with --storage {known!r}."
    if wanted is None:
        return None
    try:
        _try(open_bucket(wanted))
    except LabellingError as error:
        return (
            f"The storage {wanted!r} can't be used: {error} The bucket must exist, and the "
            "credentials must allow to put, get, list and delete its objects."
        )
    return None


def stored_address(database: Database) -> str | None:
    """Return the address of the bucket of originals; None: they are in the data folder."""
    with database.read() as connection:
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
    return row[0] if row else None


def open_storage(data: Path, database: Database, signer: UrlSigner = NO_URLS) -> FileStorage:
    """Return the storage of a data folder's originals. Raises InvalidValue or Unavailable."""
    address = stored_address(database)
    if address is None:
        return FileStorage(data, signer)
    return BucketStorage(data, signer, open_bucket(address))


def use_file(storage: FileStorage, key: str, use: Callable[[Path], T]) -> T:
    """Return what `use` returns for a file with a key's bytes. Raises ObjectNotFound.

    It is called again where the service has moved the file to the bucket meanwhile.
    """
    for is_last in (False, True):
        stored = storage.file_of(key)
        try:
            return use(stored.path)
        except (FileNotFoundError, ObjectNotFound) as exc:
            if is_last:
                raise ObjectNotFound(key) from exc
        finally:
            stored.release()
    raise AssertionError("unreachable")


def open_bucket(address: str) -> S3Storage:
    """Return the storage at s3://BUCKET/PREFIX?endpoint=URL. Raises InvalidValue or Unavailable."""
    read = read_address("storage", address)
    return S3Storage(s3_client(read.endpoint), read.bucket, prefix=read.prefix)


class Offload:
    """Moves originals from the data folder to the bucket, where there is one.

    One call takes about `seconds` seconds at most. A picture that fails is tried at the next call.
    """

    def __init__(
        self, data: Path, storage: FileStorage, blobs: SqliteBlobRepository, seconds: float = 5
    ) -> None:
        self._root = data / "originals"
        self._data = data
        self._storage = storage
        self._blobs = blobs
        self._seconds = seconds

    def __call__(self) -> None:
        """Move what is there. Raises Unavailable."""
        if not isinstance(self._storage, BucketStorage):
            return
        until = time.monotonic() + self._seconds
        for key in self._keys():
            owner_and_id = parse_original_key(key)
            if owner_and_id is None or self._blobs.get(owner_and_id[1]) is None:
                continue  # not ours, or deleted
            try:
                self._storage.offload(key)
            except ObjectNotFound:
                continue  # deleted meanwhile
            if self._blobs.get(owner_and_id[1]) is None:
                self._storage.delete(key)
            if time.monotonic() >= until:
                return

    def _keys(self) -> Iterator[str]:
        for folder, _, names in os.walk(self._root):
            parts = Path(folder).relative_to(self._data).parts
            yield from ("/".join(map(unquote, (*parts, name))) for name in names)


def _is_same(known: str, wanted: str) -> bool:
    """Tell whether two addresses differ by the endpoint alone: a store may move."""
    one, other = read_address("storage", known), read_address("storage", wanted)
    return (one.bucket, one.prefix) == (other.bucket, other.prefix)


def _try(bucket: S3Storage) -> None:
    """Use every right that the service needs. Raises LabellingError."""
    key, content = f"{_PROBE}/{secrets.token_hex(8)}", secrets.token_bytes(16)
    bucket.put(key, content)
    try:
        with bucket.open(key) as stream:
            is_same = stream.read() == content
        listed = list(bucket.keys(f"{_PROBE}/"))
    finally:
        bucket.delete(key)
    if not is_same or key not in listed:
        raise Unavailable("It returns other bytes than were stored, or does not list them.")
