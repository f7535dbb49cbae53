"""The work of a page of labels by count does not grow with the number of labels."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from core.backends.sqlite import Database
from core.repositories.sqlite.blobs import SqliteBlobRepository
from embedded.migrations import MIGRATIONS
from tests.support.blobs import NOON

FEW, MANY = 300, 6000


def steps_of_a_page(path: Path, labels: int) -> int:
    """Return the steps of SQLite's machine, in tens, for a page far behind many equal counts."""
    database = Database(path, MIGRATIONS)
    blobs = SqliteBlobRepository(database, lambda: NOON)
    blobs.count_labels("anna", "1", 1, [f"Label {n:05}" for n in range(labels)])
    tens = count()
    with database.read() as connection:  # the idle connection, which the next read takes
        connection.set_progress_handler(lambda: next(tens) and 0, 10)
    page = blobs.find_labels_by_count("anna", "", first=20, after=(1, f"label {labels - 50:05}"))
    assert (len(page.items), page.has_next) == (20, True)
    database.close()
    return next(tens)


def test_page_behind_many_equal_counts_takes_as_many_steps(tmp_path: Path) -> None:
    few = steps_of_a_page(tmp_path / "few.sqlite", FEW)
    assert few > 10, "steps are counted"
    assert steps_of_a_page(tmp_path / "many.sqlite", MANY) == pytest.approx(few, abs=2)
