"""Have the running service label a whole catalogue again."""

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
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from core.domain.blob import Blob
    from core.repositories.ports.blobs import BlobRepository

PAGE: Final = 100
LOOK_SECONDS: Final = 0.1  # between looks at the blobs in flight
STALL_SECONDS: Final = 30.0  # without progress, after which `check` is called


class Stalled(LabellingError):
    """No labeller takes up the requests."""


@dataclass(frozen=True, slots=True)
class Run:
    """Which blobs to label again, and how far the run has come.

    `began` is in RFC 3339; a blob labelled since then is done. `after` is the cursor at which the
    scan of all blobs continues. `older_than` is a detector's version, or name/version; None stands
    for any.
    """

    began: str
    owner: str | None = None
    older_than: str | None = None
    table: str | None = None
    after: str | None = None
    seen: int = 0

    def same(self, other: Run) -> bool:
        """Return whether another run has the same options."""
        mine = self.owner, self.older_than, self.table
        return mine == (other.owner, other.older_than, other.table)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many blobs were scanned, and their outcomes."""

    seen: int = 0
    labelled: int = 0
    failed: int = 0
    gone: int = 0


def is_older(detector: str | None, than: str) -> bool:
    """Return whether labels by `detector` (name/version) are older than a version.

    Labels without a detector are older than every version. Versions are compared number by number.
    If `than` is name/version, every other name is older.
    """
    if detector is None:
        return True
    name, _, version = detector.rpartition("/")
    wanted, _, least = than.rpartition("/")
    return (bool(wanted) and name != wanted) or _numbers(version) < _numbers(least)


def check_version(text: str) -> None:
    """Check that a text is a version or name/version. Raises InvalidValue."""
    if not _numbers(text.rpartition("/")[2]):
        raise InvalidValue(
            "--older-than", f"{text!r} is not a version; write one like 1.3 or name/1.3"
        )


def _numbers(version: str) -> tuple[int, ...]:
    # The text after "+" names an optional part.
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])))


def wants(run: Run, blob: Blob) -> bool:
    """Return whether a run labels a blob again.

    It skips blobs that wait for their bytes or for their labels, those whose bytes are missing,
    and those labelled since the run began.
    """
    if not blob.finished or blob.finished_at is None or blob.finished_at >= from_text(run.began):
        return False
    if blob.failure is not None and blob.failure.code is FailureCode.ORIGINAL_MISSING:
        return False
    return run.older_than is None or is_older(blob.detector, run.older_than)


def load(path: Path) -> Run | None:
    """Read an unfinished run; None without a file. Raises InvalidValue for any other file."""
    try:
        return Run(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as exc:
        raise InvalidValue(
            "--state", f"{path} is not the state of a run; give --restart to replace it"
        ) from exc


def keep(path: Path, run: Run) -> None:
    """Write a run's state, completely or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(asdict(run)), encoding="utf-8")
    new.replace(path)


def relabel(
    run: Run,
    blobs: BlobRepository,
    send: Callable[[Blob], None],
    *,
    in_flight: int,
    look_seconds: float = LOOK_SECONDS,
    kept: Callable[[Run], None] = lambda _: None,
    check: Callable[[], None] = lambda: None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Tally]:
    """Have every blob of a run labelled again; yield the tally as it grows.

    At most `in_flight` blobs are requested and unfinished at a time, so that a new upload waits
    for no more than these. `kept` gets the run's state after each page; a run started from that
    state does the rest. `check` is called from time to time without progress, and may raise.
    """
    flights = _Flights(blobs, from_text(run.began), Tally(seen=run.seen))

    def wait_for(fewer: int) -> Iterator[Tally]:
        still_since = time.monotonic()
        while len(flights) > fewer:
            pause(look_seconds)
            if flights.look():
                still_since = time.monotonic()
            elif time.monotonic() - still_since > STALL_SECONDS:
                check()
                still_since = time.monotonic()
            yield flights.tally

    more = True
    while more:
        page, after = blobs.scan(run.owner, PAGE, run.after)
        for blob in page:
            if wants(run, blob):
                yield from wait_for(in_flight - 1)
                send(blob)
                flights.add(blob)
            flights.tally = replace(flights.tally, seen=flights.tally.seen + 1)
        yield from wait_for(0)
        run, more = replace(run, after=after, seen=flights.tally.seen), after is not None
        if more:
            kept(run)
        yield flights.tally


class _Flights:
    """Blobs that are requested and not finished yet."""

    def __init__(self, blobs: BlobRepository, began: datetime, tally: Tally) -> None:
        self._blobs = blobs
        self._began = began
        self._versions: dict[str, int] = {}
        self.tally = tally

    def __len__(self) -> int:
        return len(self._versions)

    def add(self, blob: Blob) -> None:
        """Add a requested blob, as it was before."""
        self._versions[blob.id] = blob.version

    def look(self) -> bool:
        """Count the finished blobs; return whether there were any."""
        before = len(self)
        for blob_id, version in list(self._versions.items()):
            if outcome := _outcome(self._blobs.get(blob_id), version, self._began):
                del self._versions[blob_id]
                self.tally = replace(self.tally, **{outcome: getattr(self.tally, outcome) + 1})
        return len(self) < before


def _outcome(blob: Blob | None, version: int, began: datetime) -> str | None:
    """Return the outcome of a blob requested at a version; None while it is unfinished."""
    if blob is None:
        return "gone"
    done = blob.finished_at is not None and blob.finished_at >= began
    if not blob.finished or blob.version == version or not done:
        return None
    return "failed" if blob.failure else "labelled"


def summary(tally: Tally) -> Sequence[str]:
    """Return the outcome of a run as lines of text."""
    lines = [f"Labelled {tally.labelled} again, of {tally.seen} scanned."]
    if tally.failed:
        lines.append(f"{tally.failed} could not be labelled; each blob shows its failure.")
    if tally.gone:
        lines.append(f"{tally.gone} were deleted meanwhile.")
    return lines
