"""What checks of a data folder, the settings and the machine find."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_GB: Final = 1e9


class Severity(StrEnum):
    """How much a finding matters: a PROBLEM keeps the service from its work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, with what to do about it unless it is OK."""

    check: str
    severity: Severity
    text: str


def ok(check: str, text: str) -> Finding:
    """Return a finding of this severity."""
    return Finding(check, Severity.OK, text)


def warning(check: str, text: str) -> Finding:
    """Return a finding of this severity."""
    return Finding(check, Severity.WARNING, text)


def problem(check: str, text: str) -> Finding:
    """Return a finding of this severity."""
    return Finding(check, Severity.PROBLEM, text)


def readable_bytes(size: int) -> str:
    """Return a number of bytes in GB, or in MB where it is less than one."""
    return f"{size / _GB:.1f} GB" if size >= _GB else f"{size / 1e6:.1f} MB"
