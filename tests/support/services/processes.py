"""What processes use, as Linux counts it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the processes that a process started, and those that they started."""
    found = []
    with suppress(OSError):  # it may end at any moment
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return [each for child in found for each in (child, *children(child))]


def memory(pid: int) -> float:
    """Return the megabytes that a process itself uses, without mapped files."""
    with suppress(OSError):
        lines = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        kilobytes = sum(int(lines[name].split()[0]) for name in ("RssAnon", "RssShmem"))
        return kilobytes * 1024 / 1e6
    return 0.0


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process, without its children."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(value) for value in values[11:13]) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    """Return how many files a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return sum(1 for _ in Path(f"/proc/{pid}/task").iterdir())
