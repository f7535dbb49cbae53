"""`labelling evaluate` runs the configured detector over a person's pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from embedded.cli.main import main
from embedded.evaluation.truth import read_truth
from labeller.detectors.taxonomy import load_taxonomy
from tests.support.images.models import link_models
from tests.support.images.photos import photo
from tests.support.services.process import ROOT

COMMITTED = ROOT / "tests" / "data" / "evaluation"
LICENCES = {"CC0-1.0", "CC-BY-SA-4.0", "CDLA-Permissive-1.0"}


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


# The photographs that are kept for evaluation.


def rows(name: str) -> list[list[str]]:
    lines = (COMMITTED / name).read_text("utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def test_every_photograph_has_a_source_a_licence_and_labels() -> None:
    """And all of them are small."""
    photographs = sorted(path.name for path in COMMITTED.glob("*.jpg"))
    assert sorted(name for name, _, _ in rows("sources.tsv")) == photographs
    assert (
        sorted(read_truth((COMMITTED / "truth.tsv").read_text("utf-8").splitlines())) == photographs
    )
    assert {licence for _, _, licence in rows("sources.tsv")} == LICENCES
    assert all(licence in (ROOT / "NOTICE").read_text() for licence in LICENCES)
    assert sum(path.stat().st_size for path in COMMITTED.iterdir()) < 3_000_000


def test_labels_of_the_photographs_are_those_of_the_classifier() -> None:
    """One thing has none: a skateboard."""
    known = {label.name for label in load_taxonomy().labels}
    named = {label for _, labels in rows("truth.tsv") for label in labels.split(";")}
    assert named - known == {"Skateboard"}


@pytest.mark.slow
def test_the_detector_is_as_good_as_documented(
    tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two pictures may differ, because processors round differently."""
    link_models(tmp_path, model_path)
    truth = ("--truth", str(COMMITTED / "truth.tsv"), "--data", str(tmp_path))
    assert main(["evaluate", str(COMMITTED), *truth, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    guide = (ROOT / "docs" / "evaluate.md").read_text()
    shown = re.search(
        r"^\| with people \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", guide, re.MULTILINE
    )
    assert shown
    found = [result[each] for each in ("right", "general", "wrong", "nothing")]
    assert found == pytest.approx([int(each) for each in shown.groups()], abs=2)
