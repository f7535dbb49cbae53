"""A message that many requests repeat is one line a minute."""

from __future__ import annotations

import logging

import pytest

from core.runtime.limited_log import LimitedLog


def test_message_is_logged_once_a_minute_with_the_number_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    limited = LimitedLog(logging.getLogger("disk"), lambda: now)
    for _ in range(3):
        limited.error("full", file="a")
    limited.warning("slow")
    now = 59.9
    limited.error("full", file="b")
    now = 60.0
    limited.error("full", file="c")
    now = 200.0
    limited.error("full", file="d")
    lines = [
        (line.levelname, line.message, vars(line).get("file"), vars(line).get("left_out"))
        for line in caplog.records
    ]
    assert lines == [
        ("ERROR", "full", "a", None),
        ("WARNING", "slow", None, None),
        ("ERROR", "full", "c", 3),
        ("ERROR", "full", "d", None),
    ]
