"""The log context."""

from __future__ import annotations

import logging
from threading import Thread
from typing import Any

import pytest

from core.runtime.logging import AddLogContext, log_context

log = logging.getLogger("any.module")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    caplog.handler.addFilter(AddLogContext())
    return caplog


def told(lines: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in vars(line).items() if name in ("blob_id", "attempt")}
        for line in lines.records
    ]


def test_lines_inside_a_block_have_its_values(lines: pytest.LogCaptureFixture) -> None:
    """Nested blocks add theirs; lines outside have none."""
    log.info("before")
    with log_context(blob_id="1"):
        log.info("one")
        with log_context(attempt=2):
            log.info("both")
    log.info("after")
    assert told(lines) == [{}, {"blob_id": "1"}, {"blob_id": "1", "attempt": 2}, {}]


def test_values_of_a_line_take_precedence(lines: pytest.LogCaptureFixture) -> None:
    with log_context(blob_id="1"):
        log.info("of another", extra={"blob_id": "2"})
    assert told(lines) == [{"blob_id": "2"}]


def test_context_ends_with_an_exception(lines: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="broken"), log_context(blob_id="1"):
        raise ValueError("broken")
    log.info("after")
    assert told(lines) == [{}]


def test_threads_have_separate_contexts(lines: pytest.LogCaptureFixture) -> None:
    with log_context(blob_id="1"):
        thread = Thread(target=log.info, args=("elsewhere",))
        thread.start()
        thread.join()
    assert told(lines) == [{}]
