"""Real stores for the labeller's core."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.house import House, MovableClock


@pytest.fixture
def house(tmp_path: Path, clock: MovableClock) -> Iterator[House]:
    house = House(tmp_path, clock)
    yield house
    house.close()
