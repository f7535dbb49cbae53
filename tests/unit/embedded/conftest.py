"""A data folder with its real stores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.settings import Settings
from embedded.stores import Stores, open_stores


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def opened(data: Path) -> Iterator[Stores]:
    """The stores of the data folder."""
    stores = open_stores(Settings(data=data))
    yield stores
    stores.database.close()
