"""A data folder that moves to a stack on AWS, or that a stack moves to."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

from core.domain.blob import needs_labelling
from core.domain.clock import utc_now
from core.domain.errors import LabellingError, ObjectNotFound
from core.repositories.sqlite import copies
from embedded.backup.create import has_bytes, pages_of
from embedded.data.originals import use_file
from embedded.events import object_created

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from io import BufferedReader

    from core.backends.sqlite import Database
    from core.domain.blob import Blob
    from core.domain.delivery import Delivery
    from core.domain.own_vocabulary import OwnVocabulary
    from core.repositories.ports.policies import OwnerPolicy
    from core.storage.files import FileStorage
    from embedded.stores import Stores

CHUNK: Final = 1_000_000  # bytes
_MOVING: Final = "moving_from"  # the fact of a database that is not whole yet
_MOVED: Final = "moved_from"  # and of one that is, until a service uses it


class UnfinishedMove(LabellingError):
    """A data folder does not have everything of the stack that moves to it."""


class OtherOrigin(LabellingError):
    """A data folder has records that are not of the stack."""


class Folder:
    """The stores and images of a data folder."""

    name = "the data folder"

    def __init__(self, stores: Stores, storage: FileStorage) -> None:
        self.blobs = stores.blobs
        self.deliveries = stores.deliveries
        self.owners = stores.owners
        self.storage = storage
        self._database = stores.database
        self._events = stores.upload_events

    def pages(self) -> Iterator[Sequence[Blob]]:
        """Read all blobs, some hundreds at a time."""
        return pages_of(self.blobs)

    def find_blobs(self, blob_ids: Collection[str]) -> Mapping[str, Blob]:
        """Return the blobs that exist, of any owner, by id."""
        return copies.find_blobs(self._database, blob_ids)

    def copy_blob(self, blob: Blob, current: Blob | None) -> None:
        """Write a blob in place of `current`, or as a new one."""
        copies.copy_blob(self._database, blob, current)

    def unfinished(self, blob: Blob) -> str | None:  # noqa: ARG002
        """Return None: the command looks at the changes that wait before it copies the rest."""
        return None

    def find_deliveries(self, ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the webhooks that exist, by id."""
        return copies.find_deliveries(self._database, ids)

    def put_deliveries(self, deliveries: Iterable[Delivery]) -> None:
        """Write webhooks with their attempts, in place of others."""
        copies.put_deliveries(self._database, deliveries)

    def owners_with(self) -> Mapping[str, list[str]]:
        """Return the owners with each kind of record."""
        return copies.owners_with(self._database)

    def put_policy(self, owner: str, policy: OwnerPolicy) -> None:
        """Write an owner's label policy, in place of another."""
        copies.put_policy(self._database, owner, policy)

    def find_vocabulary(self, owner: str) -> tuple[OwnVocabulary, datetime | None]:
        """Return an owner's vocabulary, and when it was set; None: it was not."""
        return copies.find_vocabulary(self._database, owner)

    def put_vocabulary(self, owner: str, vocabulary: OwnVocabulary, at: datetime) -> None:
        """Write an owner's vocabulary, set at a time, in place of another."""
        copies.put_vocabulary(self._database, owner, vocabulary, at)

    def has_bytes(self, blob: Blob) -> bool:
        """Tell whether a blob has bytes."""
        return has_bytes(blob)

    def has_original(self, blob: Blob, sha256: str) -> bool:
        """Tell whether a blob's bytes are here, with their digest in base64. Reads them."""
        try:
            with self.original(blob) as stream:
                return digest_of(stream) == sha256
        except ObjectNotFound:
            return False

    @contextmanager
    def original(self, blob: Blob) -> Iterator[BufferedReader]:
        """Open a blob's bytes. Raises ObjectNotFound."""
        # An open file stays readable after it was deleted.
        with use_file(self.storage, blob.key, lambda path: path.open("rb")) as stream:
            yield stream

    def put_original(self, blob: Blob, stream: BinaryIO, sha256: str) -> None:
        """Store a blob's bytes, and queue the event of an upload for a blob that waits."""
        with self.storage.receive(blob.key) as incoming:
            while chunk := stream.read(CHUNK):
                incoming.write(chunk)
            incoming.sync()
            incoming.keep()
            incoming.sync_name()
        if needs_labelling(blob):
            event = object_created(blob.key, size=incoming.size, sha256=sha256, at=utc_now())
            self._events.send(json.dumps(event))


def digest_of(stream: BinaryIO) -> str:
    """Return the SHA-256 of a stream in base64."""
    return base64.b64encode(hashlib.file_digest(stream, "sha256").digest()).decode()  # type: ignore[arg-type]


def begin_move(database: Database, origin: str) -> None:
    """Note that a stack moves to a new data folder, or to that of an earlier run.

    Raises OtherOrigin where the folder has other records.
    """
    with database.write() as connection:
        known = _fact(database, _MOVING) or _fact(database, _MOVED)
        if known != origin and (known or _has_records(database)):
            raise OtherOrigin(
                f"The data folder has records that are not of a move from {origin}: name a new "
                "folder with --data."
            )
        connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_MOVING, origin))
        connection.execute("DELETE FROM facts WHERE name = ?", (_MOVED,))


def end_move(database: Database) -> None:
    """Note that everything of the stack was copied. A service may use the folder now."""
    with database.write() as connection:
        connection.execute("UPDATE facts SET name = ? WHERE name = ?", (_MOVED, _MOVING))


def begin_service(database: Database) -> None:
    """Note that a service uses a data folder, to which no stack moves any more.

    Raises UnfinishedMove if the folder does not have everything of its stack.
    """
    origin = _fact(database, _MOVING)
    if origin is not None:
        raise UnfinishedMove(
            f"The data folder lacks what is still at {origin}: stop the stack's functions, and run "
            "'labelling move' with --stopped."
        )
    if _fact(database, _MOVED) is not None:
        with database.write() as connection:
            connection.execute("DELETE FROM facts WHERE name = ?", (_MOVED,))


def _has_records(database: Database) -> bool:
    with database.read() as connection:
        (found,) = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM blobs) OR EXISTS (SELECT 1 FROM owners)"
            " OR EXISTS (SELECT 1 FROM api_keys)"
        ).fetchone()
    return bool(found)


def _fact(database: Database, name: str) -> str | None:
    with database.read() as connection:
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None
