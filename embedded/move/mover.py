"""Copy what one place of records and images has to another, or compare the two.

Each step compares first, so the next call continues one that was interrupted.
"""

from __future__ import annotations

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
from embedded.move.folder import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from core.domain.blob import Blob
    from core.domain.delivery import Delivery
    from embedded.move.place import Place

THREADS: Final = 16
PAGE: Final = 100  # deliveries read and written together


@dataclass(slots=True)
class Outcome:
    """What a run has seen, and what of it was copied, by kind; `problems` are what differs.

    `lost` of these are images whose uploaded bytes the source lacks: no other run brings them.
    """

    seen: Counter[str] = field(default_factory=Counter)
    copied: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    lost: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether the target has everything that the source has."""
        return len(self.problems) == self.lost


@dataclass(frozen=True, slots=True)
class Moved:
    """Whether the record of a blob was copied, and its bytes; None: it has no bytes."""

    record: bool
    image: bool | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a blob was not moved, and whether its uploaded bytes are lost."""

    text: str
    is_lost: bool = False


class Mover:
    """Moves blobs, their bytes and their deliveries.

    While the service runs, `everything` is false: only what the service has finished is copied, so
    that no other service labels, sends or deletes it too. Without `write` nothing changes, and what
    differs is a problem.
    """

    def __init__(
        self,
        source: Place,
        target: Place,
        *,
        everything: bool,
        write: bool = True,
        threads: int = THREADS,
    ) -> None:
        self._source = source
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
            for page in self._source.pages():
                wanted = [each for each in page if self._everything or _is_finished(each)]
                current = self._target.find_blobs([each.id for each in wanted])
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
            problem = (
                f"another blob of {self._target.name} has its external id, or it changes there"
            )
            self.outcome.problems.append(f"blob {blob.id}: {problem}")
        return self.outcome

    def _note(self, blob: Blob, moved: Moved | Problem | None) -> None:
        """Note what was moved, or why nothing was; None: try again later."""
        if moved is None:
            self._later.append(blob)
            return
        self._count("blobs", copied=isinstance(moved, Moved) and moved.record)
        if isinstance(moved, Problem):
            self.outcome.problems.append(moved.text)
            self.outcome.lost += moved.is_lost
        elif moved.image is not None:
            self._count("images", copied=moved.image)

    def _count(self, kind: str, *, copied: bool, number: int = 1) -> None:
        self.outcome.seen[kind] += number
        self.outcome.copied[kind] += number * copied

    def _try(self, blob: Blob, current: Blob | None) -> Moved | Problem | None:
        """Move a blob and its bytes; return what was copied, or a problem. Raises Unavailable."""
        try:
            return self._move(blob, current)
        except Unavailable:
            raise
        except (ExternalIdTaken, VersionConflict):  # the other may give it up, just now even
            return None
        except ObjectNotFound:
            if self._source.blobs.get(blob.id) is None:  # deleted meanwhile
                return Moved(record=False, image=None)
            return Problem(f"{blob.key}: its bytes are missing.", is_lost=True)
        except (LabellingError, OSError) as error:
            return Problem(f"blob {blob.id}: {error}", is_lost=isinstance(error, OtherBytes))

    def _move(self, blob: Blob, current: Blob | None) -> Moved:
        is_copied = self._move_record(blob, current)
        if not self._write and (problem := self._source.unfinished(blob)):
            raise Different(problem)
        if not self._source.has_bytes(blob):
            return Moved(is_copied, None)
        # The event of the bytes' arrival has a blob labelled there that waits for it.
        again = self._write and needs_labelling(blob) and not _continues(blob, current)
        return Moved(is_copied, self._move_bytes(blob, again=again))

    def _move_record(self, blob: Blob, current: Blob | None) -> bool:
        if current == blob or _continues(blob, current):
            return False
        if not self._write:
            raise Different("it is missing" if current is None else "it differs")
        if current is not None and current.version > blob.version:
            there = f"{self._target.name} has version {current.version}"
            raise Different(f"{there}, newer than {blob.version}")
        self._target.copy_blob(blob, current)
        return True

    def _move_bytes(self, blob: Blob, *, again: bool) -> bool:
        """Move a blob's bytes, unless the target has them and `again` is false."""
        digest = blob.sha256
        if digest and not again and self._target.has_original(blob, digest):
            return False
        with self._source.original(blob) as stream:
            found = digest_of(stream)
            if digest not in (None, found):
                raise OtherBytes("its bytes are not those that were uploaded")
            if not again and self._target.has_original(blob, found):
                return False
            if not self._write:
                raise Different(f"{self._target.name} lacks its bytes")
            stream.seek(0)
            self._target.put_original(blob, stream, found)
            return True

    def _move_deliveries(self, state: DeliveryState) -> None:
        for page in _pages(self._source.deliveries.find_by_state(state)):
            current = self._target.find_deliveries([each.id for each in page])
            changed = [each for each in page if current.get(each.id) != each]
            self._count("webhooks", copied=False, number=len(page))
            if not self._write:
                self.outcome.problems += [
                    f"webhook {each.id}: it is missing or differs"
                    for each in changed
                    if state is not DeliveryState.PENDING or each.id not in current
                ]
                continue
            changed = [each for each in changed if not _is_ahead(current.get(each.id), each)]
            self._target.put_deliveries(changed)
            self.outcome.copied["webhooks"] += len(changed)

    def _remove_deleted(self) -> None:
        """Delete from the target what was deleted here after it was copied."""
        after: str | None = None
        while True:
            page, after = self._target.blobs.scan(None, PAGE, after)
            for blob in page:
                if self._source.blobs.get(blob.id) is None:
                    self._remove(blob)
            if after is None:
                return

    def _remove(self, blob: Blob) -> None:
        current = self._target.blobs.get(blob.id)
        if current is None:  # the index has yet to lose it
            return
        if not self._write or not self._source.blobs.was_deleted(blob.owner, blob.id):
            self.outcome.problems.append(f"blob {blob.id}: only {self._target.name} has it")
            return
        now = utc_now()
        self._target.blobs.delete(current, now)
        self._target.deliveries.remove(blob.id, now)
        self._target.storage.delete(blob.key)
        self._target.blobs.uncount_labels(blob.owner, blob.id)
        self._target.blobs.finish_deletion(blob.id)
        self.outcome.copied["deletions"] += 1


class Different(LabellingError):
    """The target has something else than the source."""


class OtherBytes(LabellingError):
    """The source has other bytes of an image than were uploaded."""


def _is_finished(blob: Blob) -> bool:
    """Tell whether a service has nothing left to do with a blob: to label it or to delete it.

    A copy that waits to be deleted would be deleted there, even if its owner restores it here.
    """
    return blob.listed and not needs_labelling(blob)


def _continues(blob: Blob, current: Blob | None) -> bool:
    """Tell whether the target has gone on with a blob that waited, as it should."""
    return current is not None and needs_labelling(blob) and current.version > blob.version


def _is_ahead(current: Delivery | None, delivery: Delivery) -> bool:
    """Tell whether the target has attempted a webhook that was due."""
    return (
        current is not None
        and delivery.state is DeliveryState.PENDING
        and _attempts_at(current) > _attempts_at(delivery)
    )


def _attempts_at(delivery: Delivery) -> int:
    return delivery.attempts[-1].number if delivery.attempts else delivery.attempts_before


def _pages(deliveries: Iterator[Delivery]) -> Iterator[Sequence[Delivery]]:
    page: list[Delivery] = []
    for each in deliveries:
        page.append(each)
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page
