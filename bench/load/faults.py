"""Faults of the machine below a service under load. Each strikes, and is over when it returns."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import httpx

from tests.support.services.process import ServiceProcess
from tests.support.services.small_disk import fill, mounted_read_only, small_disk
from tests.support.waiting import wait_until

CLOCK_LIBRARY = "libfaketime.so.1"
STEPS = (timedelta(days=1), timedelta(0), timedelta(hours=-1), timedelta(0))  # from the real time
FOLDERS = (".incoming", "originals", "originals/*", "derived")  # in a data folder
DISK = 160  # MB
RECENT = 30  # seconds in which a webhook that was signed arrives


class CannotStrike(Exception):
    """The machine does not allow a fault; the message says why."""


class Strike(Protocol):
    """Makes a fault happen, waits `seconds`, and ends it; the number of the round is `number`."""

    def __call__(self, service: ServiceProcess, number: int, seconds: float) -> None: ...


@dataclass(frozen=True)
class Fault:
    """A fault, how the service is started for it, and the refusals that it may cause."""

    strike: Strike
    seconds: tuple[float, float] = (0.2, 3.0)  # of one strike, at random
    refusals: frozenset[str] = frozenset()
    flags: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    clock: Clock | None = None


@contextmanager
def opened(name: str, root: Path) -> Iterator[tuple[Fault, Path]]:
    """Provide a fault by its name, and the data folder that it strikes. Raises CannotStrike."""
    data = root / "data"
    match name:
        case "kill":
            yield Fault(killed), data
        case "detector-killed":
            yield Fault(detector_killed), data
        case "detector-hung":
            yield Fault(detector_hung), data
        case "read-only":
            # The second one: of a deletion, whose file stays.
            refusals = frozenset({"ServiceUnavailable", "SERVICE_UNAVAILABLE"})
            if may_mount(root):
                yield Fault(read_only, refusals=refusals), data
            else:
                forget_privilege()
                yield Fault(forbidden, refusals=refusals), data
        case "full-disk":
            with small_disk(data, DISK) as is_mounted:
                if not is_mounted:
                    raise CannotStrike("mounting a file system needs root")
                refusals = frozenset({"StorageFull", "InsufficientStorage", "SERVICE_UNAVAILABLE"})
                yield (
                    Fault(full_disk, refusals=refusals, flags=("--reserve-bytes", "9000000")),
                    data,
                )
        case _:
            clock = Clock(root / "clock")
            refusals = frozenset({"AccessDenied"})  # the URL expired
            yield Fault(clock.strike, refusals=refusals, environ=clock.environ, clock=clock), data


def killed(service: ServiceProcess, number: int, seconds: float) -> None:  # noqa: ARG001
    """End the service by SIGKILL after some time, and start it again."""
    time.sleep(seconds)
    service.kill()
    service.start()


def detector_killed(service: ServiceProcess, number: int, seconds: float) -> None:
    """End a detector process by SIGKILL after some time."""
    time.sleep(seconds)
    process = a_detector(service, number)
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: process not in detectors(service))


def detector_hung(service: ServiceProcess, number: int, seconds: float) -> None:
    """Stop a detector process by SIGSTOP: the service must replace it when it has an image."""
    time.sleep(seconds)
    process = a_detector(service, number)
    os.kill(process, signal.SIGSTOP)
    wait_until(lambda: process not in detectors(service))


def read_only(service: ServiceProcess, number: int, seconds: float) -> None:  # noqa: ARG001
    """Mount the data folder read-only over itself; files that are open stay writable."""
    with mounted_read_only(service.data, service.data.with_name("aside")) as is_mounted:
        assert is_mounted
        wait_until(lambda: readiness(service) == 503)
        time.sleep(seconds)


def may_mount(root: Path) -> bool:
    """Tell whether this user may mount a folder read-only over itself."""
    with mounted_read_only(root, root / "aside") as is_mounted:
        return is_mounted


def forbidden(service: ServiceProcess, number: int, seconds: float) -> None:  # noqa: ARG001
    """Take the right to create, rename and delete files in all folders of the data folder."""
    data = service.data
    folders = [data, *(each for pattern in FOLDERS for each in data.glob(pattern))]
    for folder in folders:
        folder.chmod(0o500)
    try:
        wait_until(lambda: readiness(service) == 503)
        time.sleep(seconds)
    finally:
        for folder in folders:
            folder.chmod(0o700)


def full_disk(service: ServiceProcess, number: int, seconds: float) -> None:  # noqa: ARG001
    """Fill the disk to its last byte, as another program might."""
    other = fill(service.data)
    try:
        wait_until(lambda: readiness(service) == 503)
        time.sleep(seconds)
    finally:
        other.unlink()


class Clock:
    """The service's clock, by libfaketime: the file says how far it is from the real time."""

    def __init__(self, file: Path) -> None:
        found = sorted(Path("/usr/lib").glob(f"*/faketime/{CLOCK_LIBRARY}"))
        if not found:
            raise CannotStrike(f"{CLOCK_LIBRARY} is not installed (Debian: libfaketime)")
        self._file = file
        self._history: list[tuple[float, float]] = []  # when a step was made, in seconds, and it
        self.environ = {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self._set(timedelta(0))

    def strike(self, service: ServiceProcess, number: int, seconds: float) -> None:  # noqa: ARG002
        """Set the clock a day forward, back, an hour back, and right again, in turn."""
        self._set(STEPS[number % len(STEPS)])
        time.sleep(seconds)

    @property
    def step(self) -> float:
        """How far the clock is from the real time now, in seconds."""
        return self._history[-1][1]

    def times(self) -> Iterator[float]:
        """Yield what the clock may have shown in the last half minute: now, by each step then."""
        now = time.time()
        for number, (_, step) in enumerate(self._history):
            is_last = number == len(self._history) - 1
            if is_last or self._history[number + 1][0] > now - RECENT:
                yield now + step

    def _set(self, step: timedelta) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{step.total_seconds():+.0f}\n")
        new.replace(self._file)
        self._history.append((time.time(), step.total_seconds()))


def readiness(service: ServiceProcess) -> int:
    """Return the status of the readiness check."""
    return httpx.get(f"{service.url}/readyz", timeout=60).status_code


def detectors(service: ServiceProcess) -> list[int]:
    """Return the ids of the detector processes (proc(5): task/<tid>/children)."""
    tasks = Path(f"/proc/{service.pid}/task").glob("*/children")
    return sorted(int(each) for task in tasks for each in task.read_text().split())


def a_detector(service: ServiceProcess, number: int) -> int:
    """Return the id of a detector process, once there is one."""
    found = wait_until(lambda: detectors(service))
    return random.Random(number).choice(found)  # noqa: S311


def forget_privilege() -> None:
    """Have programs that are started from now on obey the modes of folders, for root too.

    capabilities(7): CAP_DAC_OVERRIDE leaves the bounding set. Raises CannotStrike.
    """
    drop, override = 24, 1  # PR_CAPBSET_DROP (prctl(2)), CAP_DAC_OVERRIDE
    if os.geteuid() == 0 and ctypes.CDLL(None).prctl(drop, override, 0, 0, 0):
        raise CannotStrike("root's right to write everywhere can't be dropped")
