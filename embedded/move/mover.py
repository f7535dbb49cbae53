"""Copy what a data folder has into a stack on AWS, or compare the two.

Each step compares first, so the next call continues one that was interrupted.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from core.domain.blob import needs_labelling
from core.domain.clock import utc_now
from core.domain.delivery import DeliveryState
from core.domain.errors import (
    ExternalIdTaken,
    LabellingError,
    ObjectNotFound,
    Unavailable,
    VersionConflict,
)
from core.repositories.dynamodb.copies import (
    copy_blob,
    find_blobs,
    find_deliveries,
    put_deliveries,
)
from embedded.backup.create import has_bytes, pages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from io import BufferedReader

    from core.domain.blob import Blob
    from core.domain.delivery import Delivery
    from core.storage.files import FileStorage
    from embedded.move.target import Target
    from embedded.stores import Stores

THREADS: Final = 16
PAGE: Final = 100  # deliveries read and written together


@dataclass(slots=True)
class Outcome:
    """What a run has seen, and what of it was copied, by kind; `problems` are what differs."""

    seen: Counter[str] = field(default_factory=Counter)
    copied: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Moved:
    """Whether the record of a blob was copied, and its bytes; None: it has no bytes."""

    record: bool
    image: bool | None


class Mover:
    """Moves blobs, their bytes and their deliveries.

    While the service runs, `everything` is false: only what the service has finished is copied, so
    that no other service labels or sends it too. Without `write` nothing changes, and what differs
    is a problem.
    """

    def __init__(
        self,
        stores: Stores,
        storage: FileStorage,
        target: Target,
        *,
        everything: bool,
        write: bool = True,
        threads: int = THREADS,
    ) -> None:
        self._stores = stores
        self._storage = storage
        self._target = target
        self._everything = everything
        self._write = write
        self._threads = threads
        self.outcome = Outcome()
        self._later: list[Blob] = []

    def run(self, show: Callable[[int], None] = lambda _: None) -> Outcome:
        """Move it; `show` receives the number of blobs read. Raises Unavailable."""
        if self._everything:  # first, because others may have got their external ids
            self._remove_deleted()
        with ThreadPoolExecutor(self._threads) as pool:
            for page in pages_of(self._stores.blobs):
                wanted = [each for each in page if self._everything or not needs_labelling(each)]
                current = find_blobs(self._target.table, [each.id for each in wanted])
                found = [current.get(each.id) for each in wanted]
                for blob, moved in zip(wanted, pool.map(self._try, wanted, found), strict=True):
                    self._note(blob, moved)
                show(self.outcome.seen["blobs"])
        later, self._later = self._later, []
        for blob in later:
            self._note(blob, self._try(blob, self._target.blobs.get(blob.id)))
        for state in DeliveryState:
            if self._everything or state is not DeliveryState.PENDING:
                self._move_deliveries(state)
        for blob in self._later:
            problem = "another blob of the stack has its external id, or it changes there"
            self.outcome.problems.append(f"blob {blob.id}: {problem}")
        return self.outcome

    def _note(self, blob: Blob, moved: Moved | str | None) -> None:
        """Note what was moved, or why nothing was; None: try again later."""
        if moved is None:
            self._later.append(blob)
            return
        self._count("blobs", copied=isinstance(moved, Moved) and moved.record)
        if isinstance(moved, str):
            self.outcome.problems.append(moved)
        elif moved.image is not None:
            self._count("images", copied=moved.image)

    def _count(self, kind: str, *, copied: bool, number: int = 1) -> None:
        self.outcome.seen[kind] += number
        self.outcome.copied[kind] += number * copied

    def _try(self, blob: Blob, current: Blob | None) -> Moved | str | None:
        """Move a blob and its bytes; return what was copied, or a problem. Raises Unavailable."""
        try:
            return self._move(blob, current)
        except Unavailable:
            raise
        except (ExternalIdTaken, VersionConflict):  # the other may give it up, just now even
            return None
        except ObjectNotFound:
            if self._stores.blobs.get(blob.id) is None:  # deleted meanwhile
                return Moved(record=False, image=None)
            return f"{blob.key}: its bytes are missing."
        except (LabellingError, OSError) as error:
            return f"blob {blob.id}: {error}"

    def _move(self, blob: Blob, current: Blob | None) -> Moved:
        is_copied = self._move_record(blob, current)
        if not has_bytes(blob):
            return Moved(is_copied, None)
        # The event of the bytes' arrival has the stack label a blob that waits for it.
        again = self._write and needs_labelling(blob) and not _continues(blob, current)
        return Moved(is_copied, self._move_bytes(blob, again=again))

    def _move_record(self, blob: Blob, current: Blob | None) -> bool:
        if current == blob or _continues(blob, current):
            return False
        if not self._write:
            raise Different("it is missing" if current is None else "it differs")
        if current is not None and current.version > blob.version:
            raise Different(f"the stack has version {current.version}, newer than {blob.version}")
        copy_blob(self._target.table, blob, current)
        return True

    def _move_bytes(self, blob: Blob, *, again: bool) -> bool:
        """Move a blob's bytes, unless the stack has them and `again` is false."""
        digest = blob.sha256
        if digest and not again and self._target.has_original(blob, digest):
            return False
        stored = self._storage.file_of(blob.key)
        try:
            with stored.path.open("rb") as stream:
                found = _digest_of(stream)
                if digest not in (None, found):
                    raise Different("its bytes are not those that were uploaded")
                if not again and self._target.has_original(blob, found):
                    return False
                if not self._write:
                    raise Different("the stack lacks its bytes")
                stream.seek(0)
                self._target.put_original(blob, stream, found)
                return True
        finally:
            stored.release()

    def _move_deliveries(self, state: DeliveryState) -> None:
        for page in _pages(self._stores.deliveries.find_by_state(state)):
            current = find_deliveries(self._target.table, [each.id for each in page])
            changed = [each for each in page if current.get(each.id) != each]
            self._count("webhooks", copied=False, number=len(page))
            if not self._write:
                self.outcome.problems += [
                    f"webhook {each.id}: it is missing or differs"
                    for each in changed
                    if state is not DeliveryState.PENDING or each.id not in current
                ]
                continue
            put_deliveries(self._target.table, changed)
            self.outcome.copied["webhooks"] += len(changed)

    def _remove_deleted(self) -> None:
        """Delete from the stack what was deleted here after it was copied."""
        after: str | None = None
        while True:
            page, after = self._target.blobs.scan(None, PAGE, after)
            for blob in page:
                if self._stores.blobs.get(blob.id) is None:
                    self._remove(blob)
            if after is None:
                return

    def _remove(self, blob: Blob) -> None:
        current = self._target.blobs.get(blob.id)
        if current is None:  # the index has yet to lose it
            return
        if not self._write or not self._stores.blobs.was_deleted(blob.owner, blob.id):
            self.outcome.problems.append(f"blob {blob.id}: only the stack has it")
            return
        now = utc_now()
        self._target.blobs.delete(current, now)
        self._target.deliveries.remove(blob.id, now)
        self._target.storage.delete(blob.key)
        self._target.blobs.uncount_labels(blob.owner, blob.id)
        self._target.blobs.finish_deletion(blob.id)
        self.outcome.copied["deletions"] += 1


class Different(LabellingError):
    """The stack has something else than the data folder."""


def _digest_of(stream: BufferedReader) -> str:
    """Return the SHA-256 of a stream in base64."""
    return base64.b64encode(hashlib.file_digest(stream, "sha256").digest()).decode()


def _continues(blob: Blob, current: Blob | None) -> bool:
    """Tell whether the stack has gone on with a blob that waited, as it should."""
    return current is not None and needs_labelling(blob) and current.version > blob.version


def _pages(deliveries: Iterator[Delivery]) -> Iterator[Sequence[Delivery]]:
    page: list[Delivery] = []
    for each in deliveries:
        page.append(each)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
