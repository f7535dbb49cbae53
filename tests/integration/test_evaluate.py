"""`labelling evaluate` runs the configured detector over a person's pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embedded.cli.main import main
from tests.support.photos import photo

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("chelsea.png", "coffee.png", "page.png"):
        (pictures / name).write_bytes(photo(name))
    return pictures


def run(folder: Path, truth: str, *options: str) -> int:
    file = folder.parent / "truth.tsv"
    file.write_text(truth, encoding="utf-8")
    data = ("--data", str(folder.parent / "data"), "--faces", "no")
    return main(["evaluate", str(folder), "--truth", str(file), *data, *options])


def test_detector_is_compared_with_a_person(
    folder: Path, tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As text, with the worst mistake, and as JSON."""
    model = tmp_path / "data" / "model" / model_path.name
    model.parent.mkdir(parents=True)
    model.symlink_to(model_path)
    truth = "chelsea.png\tCat\ncoffee.png\tTeapot\npage.png\tText\n"
    assert run(folder, truth) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("efficientnet-lite0/")
    assert lines[1] == "2 right, 0 true but general, 1 wrong, 0 without a label"
    assert any(line.endswith(": coffee.png") for line in lines)
    assert lines[-1] == "Most often missed: Teapot 1"
    assert run(folder, truth, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["right"], result["wrong"], result["recall"]) == (2, 1, pytest.approx(2 / 3))


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ("none.png\tCat\n", "none.png is not in"),
        ("chelsea.png Cat\n", "Line 1 has no labels"),
    ],
)
def test_unusable_truth_is_reported(
    folder: Path, truth: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, truth) == 1
    assert message in capsys.readouterr().err
