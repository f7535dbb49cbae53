"""What a relabelling run selects, and how its progress is stored."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.domain.errors import InvalidValue
from embedded.data.lock import hold, is_served
from embedded.jobs.relabelling import Run, check_version, is_older, load, save


@pytest.mark.parametrize(
    ("detector", "than", "older"),
    [
        (None, "1", True),
        ("eye/1", "1", False),
        ("eye/1", "2", True),
        ("eye/1.9", "1.10", True),
        ("eye/1.10", "1.9", False),
        ("eye/1.2+mtcnn", "1.2", False),
        ("eye/1.2+mtcnn", "1.3", True),
        ("eye/1.2", "eye/1.2+mtcnn", False),
        ("eye/2", "ear/1", True),
        ("eye/2", "eye/2", False),
        ("rekognition/unknown", "3.0", True),
        ("without", "1", True),
    ],
)
def test_versions_are_compared_number_by_number(
    detector: str | None, than: str, older: bool
) -> None:
    """And a detector of another name is older, where a name is given."""
    assert is_older(detector, than) is older


@pytest.mark.parametrize("text", ["", "eye", "eye/", "x.y"])
def test_text_without_a_version_is_an_error(text: str) -> None:
    with pytest.raises(InvalidValue, match="--older-than"):
        check_version(text)


def test_progress_of_a_run_is_saved_and_loaded(tmp_path: Path) -> None:
    """A file of another kind is an error, which says what to do."""
    path = tmp_path / "some" / "relabel.json"
    assert load(path) is None
    run = Run("2026-01-31T12:00:00.000Z", "anna", "1.3", None, "01", 7)
    save(path, run)
    assert load(path) == run
    for content in ("", "[]", '{"ended": 1}', "7"):
        path.write_text(content)
        with pytest.raises(InvalidValue, match="--restart"):
            load(path)


def test_folder_is_served_while_its_lock_is_held(tmp_path: Path) -> None:
    """Testing for the lock does not take it."""
    assert not is_served(tmp_path)
    descriptor = hold(tmp_path)
    assert is_served(tmp_path)
    os.close(descriptor)
    assert not is_served(tmp_path)
    os.close(hold(tmp_path))
