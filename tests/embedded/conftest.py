"""The embedded service's parts over a temporary folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house import House, MovableClock


@pytest.fixture
def house(tmp_path: Path, clock: MovableClock) -> Iterator[House]:
    house = House(tmp_path, clock)
    yield house
    house.close()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests gets in."""
    for name in os.environ:
        if name.startswith("LABELLING_"):
            monkeypatch.delenv(name)


@pytest.fixture
def logging_restored() -> Iterator[None]:
    """Undo what the service does to the process's logging."""
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn")
    kept = (root.handlers[:], root.level, uvicorn.level)
    yield
    root.handlers[:], level, uvicorn_level = kept
    root.setLevel(level)
    uvicorn.setLevel(uvicorn_level)
