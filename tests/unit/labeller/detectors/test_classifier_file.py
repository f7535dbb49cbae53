"""The classifier's TOML file and its labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labeller.detectors.classifier_file import read_classifier, read_labels
from labeller.detectors.onnx_session import ModelUnusable
from labeller.imaging.image import Fit, Frame
from tests.support.images.classifiers import describe

MIN = """
name = "flowers"
version = "3"
model = "model.onnx"
labels = "labels.txt"
[input]
size = 224
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an empty model, because these tests only read its name."""
    (tmp_path / "model.onnx").touch()
    (tmp_path / "labels.txt").write_text("Rose\n")
    return tmp_path


def refusal(file: Path) -> str:
    with pytest.raises(ModelUnusable) as error:
        read_classifier(file)
    return str(error.value)


def test_missing_keys_have_defaults(folder: Path) -> None:
    """Unscaled pixels, the middle 0.875 of the picture, logits of exclusive classes."""
    file = folder / "flowers.toml"
    file.write_text(MIN)
    read = read_classifier(file)
    assert (read.name, read.version) == ("flowers", "3")
    assert (read.model, read.labels) == (folder / "model.onnx", folder / "labels.txt")
    assert read.input.frame == Frame(224, 224, Fit.CROP, 0.875)
    assert (read.input.layout, read.input.channels) == ("NCHW", "RGB")
    assert (read.input.scale, read.input.mean, read.input.std) == (1, (0, 0, 0), (1, 1, 1))
    assert (read.activation, read.temperature) == ("softmax", 1)


def test_every_key_is_read(folder: Path) -> None:
    """Sizes hold the height first."""
    given = {
        "size": [192, 256], "resize": "stretch", "layout": "NHWC", "channels": "BGR",
        "scale": 0.5, "mean": [1, 2, 3.5], "std": [4, 5, 6],
    }  # fmt: skip
    output = {"activation": "sigmoid", "temperature": 2}
    model = str(folder / "labels.txt")
    read = read_classifier(describe(folder, "Rose\n", given, output, model=model))
    assert read.input.frame == Frame(256, 192, Fit.STRETCH)
    assert (read.input.layout, read.input.channels) == ("NHWC", "BGR")
    assert (read.input.scale, read.input.mean, read.input.std) == (0.5, (1, 2, 3.5), (4, 5, 6))
    assert (read.activation, read.temperature) == ("sigmoid", 2)
    assert read.model == folder / "labels.txt"


@pytest.mark.parametrize(
    ("top", "given", "output", "says"),
    [
        ({"name": None}, {}, {}, "name is missing: write text in quotes."),
        ({"name": ""}, {}, {}, "name is empty."),
        ({"name": "a/b"}, {}, {}, "name is 'a/b': use up to 64 of A-Z a-z 0-9 . _ - in quotes."),
        ({"version": 3}, {}, {}, "version is 3: write text in quotes."),
        ({"model": "gone.onnx"}, {}, {}, "model names no file: there is no {folder}/gone.onnx."),
        ({"labels": "gone.txt"}, {}, {}, "labels names no file: there is no {folder}/gone.txt."),
        ({"modle": "x"}, {}, {}, "modle is an unknown key: write model."),
        (
            {},
            {"size": None},
            {},
            "input.size is missing: write pixels per side, or [height, width].",
        ),
        ({}, {"size": "2"}, {}, "input.size is '2': write pixels per side, or [height, width]."),
        ({}, {"size": True}, {}, "input.size is True: write pixels per side, or [height, width]."),
        (
            {},
            {"size": 0},
            {},
            "input.size is 0: give 1 to 4096 pixels per side, or [height, width].",
        ),
        (
            {},
            {"size": [5000, 1]},
            {},
            "input.size is [5000, 1]: give 1 to 4096 pixels per side, or [height, width].",
        ),
        (
            {},
            {"size": [1, 2, 3]},
            {},
            "input.size is [1, 2, 3]: give 1 to 4096 pixels per side, or [height, width].",
        ),
        (
            {},
            {"resize": "squash"},
            {},
            'input.resize is \'squash\': choose "crop" or "stretch" or "pad".',
        ),
        ({}, {"layout": "nchw"}, {}, 'input.layout is \'nchw\': choose "NCHW" or "NHWC".'),
        ({}, {"channels": 3}, {}, 'input.channels is 3: choose "RGB" or "BGR".'),
        (
            {},
            {"crop_share": 1.1},
            {},
            "input.crop_share is 1.1: give a number above 0 and at most 1.",
        ),
        (
            {},
            {"crop_share": 0.5, "resize": "pad"},
            {},
            'input.crop_share is for resize = "crop": leave it out.',
        ),
        ({}, {"scale": 0}, {}, "input.scale is 0: give a number above 0."),
        ({}, {"mean": 0.5}, {}, "input.mean is 0.5: write three numbers."),
        ({}, {"mean": [1, 2]}, {}, "input.mean is [1, 2]: give 3 numbers, one per channel."),
        (
            {},
            {"mean": [1, 2, "3"]},
            {},
            "input.mean is [1, 2, '3']: give 3 numbers, one per channel.",
        ),
        (
            {},
            {"std": [1, 1, 0]},
            {},
            "input.std is [1, 1, 0]: give 3 numbers above 0, one per channel.",
        ),
        (
            {},
            {"std": [1, 1, float("nan")]},
            {},
            "input.std is [1, 1, nan]: give 3 numbers above 0, one per channel.",
        ),
        ({}, {"resise": "pad"}, {}, "input.resise is an unknown key: write resize."),
        (
            {},
            {},
            {"activation": "relu"},
            'output.activation is \'relu\': choose "softmax" or "sigmoid" or "none".',
        ),
        (
            {},
            {},
            {"temperature": float("inf")},
            "output.temperature is inf: give a number above 0.",
        ),
        (
            {},
            {},
            {"activation": "none", "temperature": 2},
            "output.temperature is for logits, which softmax or sigmoid take: leave it out.",
        ),
        ({}, {}, {"zzz": 1}, "output.zzz is an unknown key: choose activation, temperature."),
        ({"input": 5}, None, {}, "input is 5: write a table [input]."),
    ],
)
def test_error_names_the_file_the_key_and_the_remedy(
    folder: Path, top: dict[str, Any], given: Any, output: dict[str, Any], says: str
) -> None:
    file = describe(folder, "Rose\n", given or {}, output, **top)
    if given is None:
        file.write_text(MIN.partition("[input]")[0] + "input = 5\n")
    assert refusal(file) == f"{file}: {says.format(folder=folder)}"


def test_invalid_toml_is_reported_with_its_line(folder: Path) -> None:
    file = folder / "flowers.toml"
    file.write_text("name = flowers\n")
    assert refusal(file) == f"{file} is not TOML: Invalid value (at line 1, column 8)."
    file.write_bytes(b"\xff\xfe")
    assert refusal(file).startswith(f"The classifier {file} can't be read: 'utf-8' codec")
    assert refusal(folder / "none.toml") == (
        f"The classifier {folder}/none.toml can't be read: "
        f"[Errno 2] No such file or directory: '{folder}/none.toml'. "
        "Give --classifier a TOML file; docs/detectors.md shows one."
    )


def read(folder: Path, text: str) -> dict[str, tuple[str, ...]]:
    file = folder / "labels.txt"
    file.write_text(text, encoding="utf-8", newline="")
    return {label.name: label.parents for label in read_labels(file).labels}


def test_each_line_is_a_class(folder: Path) -> None:
    """Parents are nearest first, each the parent of the one before."""
    assert read(folder, "Dog Rose\tRose;Flower\nRose\nOak\tTree\n") == {
        "Dog Rose": ("Rose", "Flower"),
        "Flower": (),
        "Oak": ("Tree",),
        "Rose": ("Flower",),
        "Tree": (),
    }
    assert read(folder, "Rosé\r\nÖl") == {"Rosé": (), "Öl": ()}
    assert read(folder, "\ufeffRose\n") == {"Rose": ()}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "Rose\n\nOak\n",
            "line 2: '' is not a label. Write a name, or a name, a tab and",
        ),
        ("Rose\n" + "R" * 101, "line 2: 'RRR"),
        ("Ro\0se\n", "line 1: 'Ro\\x00se' is not a label."),
        ("Rose \n", "line 1: 'Rose ' is not a label."),
        ("Rose\tFlower;\n", "line 1: 'Rose\\tFlower;' is not a label."),
        ("Rose\tFlower\tPlant\n", "line 1: 'Rose\\tFlower\\tPlant' is not a label."),
        (
            "Rose\tFlower\nflower\n",
            "line 2: 'flower' is spelt 'Flower' above. Spell both alike.",
        ),
        ("Rose\tFlower\nFlower\tRose\n", ": 'Flower' is its own ancestor. Correct its parents."),
        ("Rose\tRose\n", ": 'Rose' is its own ancestor. Correct its parents."),
    ],
)
def test_invalid_labels_are_reported_with_their_line(folder: Path, text: str, says: str) -> None:
    """They would shift the classes, or name one thing twice."""
    with pytest.raises(ModelUnusable) as error:
        read(folder, text)
    assert says in str(error.value)
    assert str(error.value).startswith(str(folder / "labels.txt"))


def test_labels_in_another_encoding_are_refused(folder: Path) -> None:
    (folder / "labels.txt").write_bytes("Rosé\n".encode("latin-1"))
    with pytest.raises(ModelUnusable, match=r"can't be read: .*Save them as UTF-8\.$"):
        read_labels(folder / "labels.txt")
