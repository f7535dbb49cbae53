"""The page of limits names settings that exist, with the defaults that they have."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from embedded.http.connection_limits import DEFAULT_LIMITS
from embedded.limits.concurrency import DEFAULT_CONNECTIONS
from embedded.settings import Settings

PAGE: Final = (Path(__file__).parents[2] / "docs/limits.md").read_text()
IN_PROGRESS: Final = re.findall(r"`--([a-z-]+)` \(([\d,]+)", PAGE)


def default(flag: str) -> object:
    return getattr(Settings(), flag.replace("-", "_"))


def test_every_setting_exists() -> None:
    flags = re.findall(r"`--([a-z-]+)`", PAGE)
    assert flags
    for flag in flags:
        assert hasattr(Settings, flag.replace("-", "_")), flag


def test_every_limit_of_what_is_in_progress_is_listed() -> None:
    assert len(IN_PROGRESS) == 9


@pytest.mark.parametrize(("flag", "number"), IN_PROGRESS)
def test_limits_of_what_is_in_progress_are_those_of_the_code(flag: str, number: str) -> None:
    assert int(number.replace(",", "")) == (default(flag) or DEFAULT_CONNECTIONS)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("header section, trailer section", f"{DEFAULT_LIMITS.head_bytes // 1024} KB, "),
        ("header section, trailer section", f"{DEFAULT_LIMITS.head_fields} fields"),
        ("time for the header section", f"{DEFAULT_LIMITS.head_seconds:g} s"),
        ("pause within a body", f"{DEFAULT_LIMITS.body_idle_seconds:g} s"),
        ("time for a body", f"{Settings().body_timeout / 60:g} minutes"),
        ("idle connection", f"{DEFAULT_LIMITS.keep_alive_seconds:g} s"),
        ("body of an upload", f"{Settings().max_upload_bytes // 10**6} MB"),
        ("pixels of an image", f"{Settings().max_pixels // 10**6} million"),
        ("time of an operation", f"{Settings().operation_timeout:g} s"),
        ("requests of a key", f"{Settings().requests_per_second} a second"),
        ("requests without a valid key", f"{Settings().failed_keys_per_minute} a minute"),
        ("uploads of an owner |", f"{Settings().uploads_per_minute:,} a minute"),
        ("uploads of an owner without", f"{Settings().open_uploads:,}"),
        ("free disk", f"{Settings().reserve_bytes // 10**6} MB"),
    ],
)
def test_other_limits_are_those_of_the_code(row: str, text: str) -> None:
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {row}"))
    assert text in line.split(" | ")[1]
