"""Have a whole catalogue labelled again, beside the service that does it."""

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
LOOK_SECONDS: Final = 0.1  # between looks at what is under way
STALL_SECONDS: Final = 30.0  # without any progress, after which it is asked why


class Stalled(LabellingError):
    """Nothing labels what was asked for."""


@dataclass(frozen=True, slots=True)
class Run:
    """What is to be labelled again, and how far that has come.

    `began` is when, in RFC 3339: what was labelled since is done. `after` is where the scan of all
    blobs goes on. `older_than` is a detector's version, or name/version; None for any.
    """

    began: str
    owner: str | None = None
    older_than: str | None = None
    table: str | None = None
    after: str | None = None
    seen: int = 0

    def same(self, other: Run) -> bool:
        """Tell whether another run is to do the same."""
        mine = self.owner, self.older_than, self.table
        return mine == (other.owner, other.older_than, other.table)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many blobs were looked at, and what became of them."""

    seen: int = 0
    labelled: int = 0
    failed: int = 0
    gone: int = 0


def is_older(detector: str | None, than: str) -> bool:
    """Tell whether labels by `detector` (name/version) are older than a version, or of none.

    Versions are compared number by number. `than` may be name/version: then other names are older.
    """
    if detector is None:
        return True
    name, _, version = detector.rpartition("/")
    wanted, _, least = than.rpartition("/")
    return (bool(wanted) and name != wanted) or _numbers(version) < _numbers(least)


def check_version(text: str) -> None:
    """Check that a text can be what labels are to be older than. Raises InvalidValue."""
    if not _numbers(text.rpartition("/")[2]):
        raise InvalidValue(
            "--older-than", f"{text!r} is no version, as 1.3, nor a detector's, as name/1.3"
        )


def _numbers(version: str) -> tuple[int, ...]:
    # What stands behind "+" is a part that may be switched off.
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])))


def wants(run: Run, blob: Blob) -> bool:
    """Tell whether a run is to have a blob labelled again.

    Not one that is awaited or under way, whose bytes are gone, or that was done since the run
    began.
    """
    if not blob.finished or blob.finished_at is None or blob.finished_at >= from_text(run.began):
        return False
    if blob.failure is not None and blob.failure.code is FailureCode.ORIGINAL_MISSING:
        return False
    return run.older_than is None or is_older(blob.detector, run.older_than)


def load(path: Path) -> Run | None:
    """Read how far an unfinished run has come. Raises InvalidValue for a file of another kind."""
    try:
        return Run(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as exc:
        raise InvalidValue(
            "--state", f"{path} does not say how far a run has come: give --restart to begin anew"
        ) from exc


def keep(path: Path, run: Run) -> None:
    """Write how far a run has come, in full or not at all."""
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
    """Have every blob labelled again that a run wants, giving the tally as it grows.

    At most `in_flight` are asked for and not done at a time, so that what is uploaded meanwhile
    waits for no more than these. `kept` is told how far the run has come: begun again from there,
    it does what is left. `check` is asked from time to time when nothing moves, and may raise.
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
    """What is asked for and not done yet."""

    def __init__(self, blobs: BlobRepository, began: datetime, tally: Tally) -> None:
        self._blobs = blobs
        self._began = began
        self._versions: dict[str, int] = {}
        self.tally = tally

    def __len__(self) -> int:
        return len(self._versions)

    def add(self, blob: Blob) -> None:
        """Note that a blob is asked for, as it was read."""
        self._versions[blob.id] = blob.version

    def look(self) -> bool:
        """Count what is done; False when nothing is."""
        before = len(self)
        for blob_id, version in list(self._versions.items()):
            if outcome := _outcome(self._blobs.get(blob_id), version, self._began):
                del self._versions[blob_id]
                self.tally = replace(self.tally, **{outcome: getattr(self.tally, outcome) + 1})
        return len(self) < before


def _outcome(blob: Blob | None, version: int, began: datetime) -> str | None:
    """Say what became of a blob asked for at a version, None while that is open."""
    if blob is None:
        return "gone"
    done = blob.finished_at is not None and blob.finished_at >= began
    if not blob.finished or blob.version == version or not done:
        return None
    return "failed" if blob.failure else "labelled"


def summary(tally: Tally) -> Sequence[str]:
    """Say in words what a run has done."""
    lines = [f"{tally.labelled} labelled again, of {tally.seen} looked at."]
    if tally.failed:
        lines.append(f"{tally.failed} could not be labelled: each has its failure on record.")
    if tally.gone:
        lines.append(f"{tally.gone} were deleted meanwhile.")
    return lines
