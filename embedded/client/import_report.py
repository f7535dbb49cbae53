"""The outcome of each imported file, and the totals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Outcome(StrEnum):
    """What became of a file."""

    UPLOADED = "uploaded"
    ALREADY_THERE = "already there"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file. `blob_id` is the blob that has its bytes now, if known."""

    path: Path
    outcome: Outcome
    reason: str = ""
    size: int = 0
    blob_id: str | None = None


@dataclass(slots=True)
class ImportReport:
    """The totals of an import so far.

    `size` is in bytes uploaded, `problems` are the skipped and failed files, `uploaded` maps the
    ids of new blobs to their files.
    """

    counts: Counter[Outcome] = field(default_factory=Counter)
    size: int = 0
    problems: list[FileResult] = field(default_factory=list)
    uploaded: dict[str, Path] = field(default_factory=dict)

    def add(self, result: FileResult) -> None:
        """Count one file."""
        self.counts[result.outcome] += 1
        if result.outcome is Outcome.UPLOADED:
            self.size += result.size
            if result.blob_id:
                self.uploaded[result.blob_id] = result.path
        elif result.outcome in (Outcome.SKIPPED, Outcome.FAILED):
            self.problems.append(result)

    @property
    def total(self) -> int:
        """The number of files counted."""
        return self.counts.total()
