"""Label all pictures again through the queue of a running service, a few at a time."""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final

from core.domain.blob import FailureCode
from core.domain.clock import from_text
from core.domain.errors import InvalidValue, LabellingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from core.domain.blob import Blob
    from core.repositories.ports.blobs import BlobRepository

PAGE: Final = 100
POLL_SECONDS: Final = 0.1
STALL_SECONDS: Final = 30.0  # without progress, before `check` is called


class Stalled(LabellingError):
    """No service labels what was queued."""


@dataclass(frozen=True, slots=True)
class Run:
    """The options of a run and its progress.

    `began` is the start (RFC 3339): blobs labelled since are done. `older_than` is a detector's
    version or name/version, None for all. `after` is the position in the scan of all blobs, `seen`
    the number of blobs before it.
    """

    began: str
    owner: str | None = None
    older_than: str | None = None
    table: str | None = None
    after: str | None = None
    seen: int = 0

    def has_options_of(self, other: Run) -> bool:
        """Tell whether both runs label the same blobs again."""
        mine = self.owner, self.older_than, self.table
        return mine == (other.owner, other.older_than, other.table)


@dataclass(frozen=True, slots=True)
class Tally:
    """The number of blobs scanned, and of those sent to the labeller by their outcome."""

    seen: int = 0
    labelled: int = 0
    failed: int = 0
    deleted: int = 0


def is_older(detector: str | None, than: str) -> bool:
    """Tell whether `detector` (name/version, None if unknown) is older than a version.

    Versions are compared number by number. `than` may be name/version: then every detector of
    another name is older. An unknown detector is older.
    """
    if detector is None:
        return True
    name, _, version = detector.rpartition("/")
    wanted_name, _, minimum = than.rpartition("/")
    return (bool(wanted_name) and name != wanted_name) or _numbers(version) < _numbers(minimum)


def check_version(text: str) -> None:
    """Check that a text is a version or name/version. Raises InvalidValue."""
    if not _numbers(text.rpartition("/")[2]):
        raise InvalidValue(
            "--older-than", f"{text!r} is neither a version such as 1.3 nor name/version"
        )


def _numbers(version: str) -> tuple[int, ...]:
    # "+" begins an optional part of a detector, as in 1.2+mtcnn.
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])))


def is_wanted(run: Run, blob: Blob) -> bool:
    """Tell whether a run labels a blob again.

    It leaves out blobs that are not finished, whose bytes are missing, or that were labelled since
    the run began.
    """
    if not blob.finished or blob.finished_at is None or blob.finished_at >= from_text(run.began):
        return False
    if blob.failure is not None and blob.failure.code is FailureCode.ORIGINAL_MISSING:
        return False
    return run.older_than is None or is_older(blob.detector, run.older_than)


def load(path: Path) -> Run | None:
    """Read the progress of an unfinished run, None if there is no file.

    Raises InvalidValue for a file of another kind.
    """
    try:
        return Run(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as exc:
        raise InvalidValue(
            "--state", f"{path} is not the progress of a run; give --restart to start again"
        ) from exc


def save(path: Path, run: Run) -> None:
    """Write the progress of a run, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(asdict(run)), encoding="utf-8")
    new.replace(path)


def relabel_all(
    run: Run,
    blobs: BlobRepository,
    send: Callable[[Blob], None],
    *,
    in_flight: int,
    poll_seconds: float = POLL_SECONDS,
    on_progress: Callable[[Run], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Tally]:
    """Label all blobs of a run again; yield the tally as it grows.

    `send` queues a blob for the labeller. At most `in_flight` blobs are queued and unfinished, so
    that new uploads wait for no more than these. `on_progress` receives the run after each page:
    `relabel_all` with that run does what is left. `check` is called when nothing was labelled for
    STALL_SECONDS, and may raise.
    """
    pending = _Pending(blobs, from_text(run.began), Tally(seen=run.seen))

    def wait_for(max_pending: int) -> Iterator[Tally]:
        moved_at = time.monotonic()
        while len(pending) > max_pending:
            pause(poll_seconds)
            if pending.poll():
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > STALL_SECONDS:
                check()
                moved_at = time.monotonic()
            yield pending.tally

    more = True
    while more:
        page, after = blobs.scan(run.owner, PAGE, run.after)
        for blob in page:
            if is_wanted(run, blob):
                yield from wait_for(in_flight - 1)
                send(blob)
                pending.add(blob)
            pending.tally = replace(pending.tally, seen=pending.tally.seen + 1)
        yield from wait_for(0)
        run, more = replace(run, after=after, seen=pending.tally.seen), after is not None
        if more:
            on_progress(run)
        yield pending.tally


class _Pending:
    """The blobs queued and not finished, by their version when queued."""

    def __init__(self, blobs: BlobRepository, began: datetime, tally: Tally) -> None:
        self._blobs = blobs
        self._began = began
        self._versions: dict[str, int] = {}
        self.tally = tally

    def __len__(self) -> int:
        return len(self._versions)

    def add(self, blob: Blob) -> None:
        """Add a blob that was queued."""
        self._versions[blob.id] = blob.version

    def poll(self) -> bool:
        """Move finished blobs to the tally; return whether there were any."""
        before = len(self)
        for blob_id, version in list(self._versions.items()):
            if outcome := _outcome(self._blobs.get(blob_id), version, self._began):
                del self._versions[blob_id]
                self.tally = replace(self.tally, **{outcome: getattr(self.tally, outcome) + 1})
        return len(self) < before


def _outcome(blob: Blob | None, version: int, began: datetime) -> str | None:
    """Return the field of Tally that counts a blob queued at a version, None while unfinished."""
    if blob is None:
        return "deleted"
    done = blob.finished_at is not None and blob.finished_at >= began
    if not blob.finished or blob.version == version or not done:
        return None
    return "failed" if blob.failure else "labelled"
