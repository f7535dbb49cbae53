"""The examples in docs/detectors.md work as shown."""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from core.domain.blob import ImageType
from embedded.cli.main import main
from embedded.settings import Settings
from embedded.similar.text import open_text_search
from labeller.detectors.base import Options, Picture
from labeller.detectors.classifier import open_classifier
from labeller.detectors.classifier_file import read_classifier
from labeller.detectors.described import open_described
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.registry import GROUP
from labeller.imaging.image import CROP
from tests.support.images.classifiers import fixed, image_encoder, text_encoder, tokenizer
from tests.support.images.photos import photo
from tests.support.services.process import ROOT

GUIDE = (ROOT / "docs" / "detectors.md").read_text()
CODE = re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)
TOML = [text for kind, text in CODE if kind == "toml"]
PYTHON = [text for kind, text in CODE if kind == "python"]
OPTIONS = Options(max_pixels=10**7, max_bytes=10**7)


def rocket() -> Picture:
    return Picture("rocket", ImageType.JPEG, lambda: io.BytesIO(photo("rocket.jpg")))


def keys_of(text: str) -> set[str]:
    """Return every key of a classifier's file, with the name of its table."""
    keys = tomllib.loads(text)
    return {
        name
        for key, value in keys.items()
        for name in ([f"{key}.{each}" for each in value] if isinstance(value, dict) else [key])
    }


def test_file_with_every_key_has_the_documented_values(tmp_path: Path) -> None:
    (tmp_path / "flowers.onnx").touch()
    (tmp_path / "flowers.txt").touch()
    file = tmp_path / "flowers.toml"
    file.write_text(TOML[0])
    read = read_classifier(file)
    assert f"{read.name}/{read.version}" == "flowers/3"
    assert read.input.frame.share == CROP
    assert read.input.scale == pytest.approx(1 / 255)


@pytest.mark.parametrize("table", ["", "input", "output"])
def test_every_key_is_shown_and_explained(tmp_path: Path, table: str) -> None:
    (tmp_path / "flowers.onnx").touch()
    (tmp_path / "flowers.txt").touch()
    file = tmp_path / "flowers.toml"
    unknown = "zzzzz = 1\n"
    header = f"[{table}]\n"
    file.write_text(TOML[0].replace(header, header + unknown) if table else unknown + TOML[0])
    with pytest.raises(ModelUnusable) as error:
        read_classifier(file)
    listed = str(error.value).partition("unknown key: choose ")[2].removesuffix(".").split(", ")
    known = {f"{table}.{key}" if table else key for key in listed} - {"input", "output"}
    assert known
    assert known <= keys_of(TOML[0])
    explained = set(
        re.findall(r"`([a-z._]+)`", "".join(re.findall(r"^\| (`.*?) \|", GUIDE, re.MULTILINE)))
    )
    assert known <= explained


def test_example_classifier_gives_the_documented_labels(tmp_path: Path) -> None:
    make, _ = PYTHON
    subprocess.run([sys.executable, "-c", make], check=True, cwd=tmp_path)
    file = tmp_path / "colours.toml"
    file.write_text(TOML[1])
    detector = open_classifier(file, max_pixels=10**7)
    seen = detector.detect(rocket(), max_labels=2, min_confidence=0)
    shown = re.search(r"(\w+) (\d+)\nand (\w+) (\d+)\.", GUIDE)
    assert shown
    assert [f"{each.name} {each.confidence:.0f}" for each in seen.labels] == [
        f"{shown[1]} {shown[2]}",
        f"{shown[3]} {shown[4]}",
    ]
    assert seen.detector == "colours/1"


def test_network_that_finds_objects_runs_as_shown(tmp_path: Path) -> None:
    """With a model that returns what YOLO11 returns for one bicycle, 8,400 boxes of 80 classes."""
    rows = np.zeros((1, 84, 8400))
    rows[0, [0, 1, 2, 3, 5], 7] = [320, 320, 320, 160, 0.9]
    fixed(tmp_path / "yolo11n.onnx", {"output0": rows}, ("N", 3, 640, 640))
    names = ["Person", "Bicycle\tVehicle", *(f"Class {number}" for number in range(78))]
    (tmp_path / "coco.txt").write_text("\n".join(names))
    file = tmp_path / "yolo11.toml"
    file.write_text(next(text for text in TOML if "yolo11" in text))
    seen = open_described(file, max_pixels=10**7).detect(rocket(), max_labels=5, min_confidence=55)
    assert [label.name for label in seen.labels] == ["Bicycle", "Vehicle"]
    (found,) = seen.labels[0].instances
    # The rocket's photograph has 640 by 427 pixels, so it is padded above and below.
    box = found.bounding_box
    assert [box.left, box.width] == [0.25, 0.5]
    assert [box.top, box.height] == pytest.approx([(320 - 80 - 106) / 427, 160 / 427], abs=0.01)


def test_zero_shot_classifier_runs_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command and the file, with small encoders in place of CLIP's."""
    monkeypatch.chdir(tmp_path)
    image_encoder(tmp_path / "image.onnx", side=224)
    text_encoder(tmp_path / "text.onnx", [[0, 0, 0], [1, 0, 0], [0, 0, 1]])
    (tmp_path / "clip").mkdir()
    tokenizer(tmp_path / "clip" / "tokenizer.json", ["?", "rose", "night"])
    (tmp_path / "names.txt").write_text("Rose\tPlant\nNight\n")
    shell = next(text for kind, text in CODE if kind == "sh" and "embed-labels" in text)
    _, arguments = shell.replace("\\\n", " ").split(".venv/bin/labelling ")
    assert main(shlex.split(arguments)) == 0
    (tmp_path / "clip.toml").write_text(next(text for text in TOML if '"clip"' in text))
    detector = open_described(tmp_path / "clip.toml", max_pixels=10**7)
    seen = detector.detect(rocket(), max_labels=5, min_confidence=55)
    assert [label.name for label in seen.labels] == ["Night"]
    assert seen.detector == "clip/1"

    searched = next(text for text in TOML if "[text]" in text)
    (tmp_path / "clip.toml").write_text(searched)
    encode = open_text_search(Settings(classifier=tmp_path / "clip.toml"))
    assert encode
    assert encode("a photo at night").network == "clip/1"


def test_documented_message_is_the_real_one(tmp_path: Path) -> None:
    """Except for the model's own sizes."""
    make, _ = PYTHON
    subprocess.run([sys.executable, "-c", make], check=True, cwd=tmp_path)
    file = tmp_path / "colours.toml"
    file.write_text(TOML[1] + 'layout = "NHWC"\n')
    with pytest.raises(ModelUnusable) as error:
        open_classifier(file, max_pixels=10**7)
    shown = next(line for line in GUIDE.splitlines() if line.startswith("labelling: flowers.toml"))
    expected = shown.removeprefix("labelling: flowers.toml").replace(
        "['N', 3, 224, 224]", "[1, 3, 64, 64]"
    )
    assert str(error.value) == f"{file}{expected}"


def test_detector_in_python_runs_by_its_entry_point(tmp_path: Path) -> None:
    """Its 15 lines, installed as shown, label pictures in the service's processes."""
    _, tint = PYTHON
    assert len([line for line in tint.splitlines() if line]) <= 15
    (tmp_path / "tint.py").write_text(tint)
    entry = next(text for text in TOML if "entry-points" in text)
    name, value = next(iter(tomllib.loads(entry)["project"]["entry-points"][GROUP].items()))
    assert EntryPoint(name, value, GROUP).module == "tint"
    info = tmp_path / "tint-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tint\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value}\n")
    (tmp_path / "rocket.jpg").write_bytes(photo("rocket.jpg"))
    code = (
        "import sys\n"
        "from core.domain.blob import ImageType\n"
        "from embedded.detection.pool import DetectorPool\n"
        "from labeller.detectors.base import Options, Picture\n"
        f"pool = DetectorPool({name!r}, Options(10**7, 10**7), size=1)\n"
        "pool.wait_until_ready()\n"
        "rocket = Picture('k', ImageType.JPEG, lambda: open(sys.argv[1], 'rb'))\n"
        "seen = pool.detect(rocket, max_labels=2, min_confidence=0); pool.close()\n"
        "print(seen.detector, seen.width, *(label.name for label in seen.labels))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "rocket.jpg"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "tint/1 640 Blue Green\n"
