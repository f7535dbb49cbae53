"""Log lines."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest

from core.runtime.refusals import MAX_KINDS, LogThrottle
from embedded.logs import JsonFormatter, TextFormatter, set_up_logging


def record(message: str = "uploaded", **extra: Any) -> logging.LogRecord:
    made = logging.LogRecord("embedded.door", logging.INFO, "door.py", 1, message, (), None)
    vars(made).update(extra)
    return made


def failed() -> logging.LogRecord:
    try:
        int("no such luck")
    except ValueError:
        made = record("broken")
        made.exc_info = sys.exc_info()
        return made


def test_json_line_has_all_fields() -> None:
    """Time, level, logger, message and extras."""
    line = JsonFormatter().format(record(blob_id="01JJ", labels=["Cat", "Dog"], size=5))
    assert "\n" not in line
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {
        "level": "info",
        "logger": "embedded.door",
        "message": "uploaded",
        "blob_id": "01JJ",
        "labels": ["Cat", "Dog"],
        "size": 5,
    }


def test_json_record_is_always_one_line() -> None:
    """With traces of exceptions, line breaks from clients, and values that JSON does not know."""
    for each in (failed(), record(blob_id="x\nforged"), record(what=object())):
        line = JsonFormatter().format(each)
        assert "\n" not in line
        json.loads(line)
    assert "no such luck" in json.loads(JsonFormatter().format(failed()))["exception"]


def test_text_line_has_time_level_message_and_extras() -> None:
    line = TextFormatter().format(record(blob_id="01JJ", labels=["Cat", "Dog"], count=2))
    clock, _, rest = line.partition(" ")
    assert clock.count(":") == 2
    assert rest == "info    uploaded  blob_id=01JJ  labels=Cat,Dog  count=2"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("two words", '"two words"'),
        ("", '""'),
        ("x\n00:00:00 info forged", '"x\\n00:00:00 info forged"'),
        ("x\nforged", '"x\\nforged"'),
        ("x\r\tforged", '"x\\r\\tforged"'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("\x9b2J", '"\\u009b2J"'),
        ("x\u2028y", '"x\\u2028y"'),
        ("Zoë", "Zoë"),
        ("Zoë Söhne", '"Zoë Söhne"'),
        (["Egyptian Cat", "Cat"], '"Egyptian Cat,Cat"'),
    ],
)
def test_value_cannot_forge_another_line(value: object, shown: str) -> None:
    """Clients choose some logged values. Their line breaks and terminal codes are escaped."""
    line = TextFormatter().format(record(value=value))
    assert line.endswith(f"uploaded  value={shown}")


def test_text_line_of_an_exception_has_its_trace() -> None:
    """Below it."""
    first, *rest = TextFormatter().format(failed()).splitlines()
    assert first.endswith("broken")
    assert rest[0].startswith("Traceback")
    assert rest[-1].endswith("'no such luck'")


@pytest.mark.parametrize(
    ("style", "terminal", "is_json"),
    [
        ("json", True, True),
        ("json", False, True),
        ("text", True, False),
        ("text", False, False),
        ("auto", True, False),
        ("auto", False, True),
    ],
)
def test_style_auto_is_text_on_a_terminal_and_json_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    style: str,
    terminal: bool,
    is_json: bool,
) -> None:
    """On standard error."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    set_up_logging(style, "info")
    logging.getLogger("somewhere").info("hello")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("{") == is_json
    assert err.count("\n") == 1


def test_lines_below_the_level_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Each line comes once, however often logging is set up."""
    for _ in range(2):
        set_up_logging("json", "warning")
    logging.getLogger("somewhere").info("hidden")
    logging.getLogger("somewhere").warning("shown")
    err = capsys.readouterr().err
    assert "hidden" not in err
    assert err.count("shown") == 1


def test_throttle_admits_one_line_of_a_kind_in_a_while() -> None:
    """The next one says how many there were."""
    now = 100.0
    throttle = LogThrottle(10, lambda: now)
    assert [throttle.admit(kind) for kind in "aaba"] == [1, 0, 1, 0]
    now += 9
    assert throttle.admit("a") == 0
    now += 1
    assert [throttle.admit(kind) for kind in "ab"] == [4, 1]
    assert throttle.admit("a") == 0


def test_throttle_forgets_the_kind_that_was_admitted_longest_ago() -> None:
    """So that its memory is bounded."""
    now = 0.0
    throttle = LogThrottle(10, lambda: now)
    for number in range(MAX_KINDS):
        now = number / MAX_KINDS
        assert throttle.admit(str(number)) == 1
    assert throttle.admit("0") == 0
    assert throttle.admit("another") == 1
    assert len(throttle._kinds) == MAX_KINDS
    assert [throttle.admit(each) for each in ("1", "another", "0")] == [0, 0, 1]
