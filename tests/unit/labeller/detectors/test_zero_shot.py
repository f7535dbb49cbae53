"""Zero-shot classifiers: labels are texts, whose vectors a command computes."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.domain.blob import ImageType
from core.domain.label import Embedding
from embedded.cli.main import main
from labeller.detectors.base import Detector, Picture
from labeller.detectors.described import open_described
from labeller.detectors.label_vectors import read_label_vectors, write_label_vectors
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.text_encoder import TextEncoder, label_vectors
from tests.support.images.classifiers import describe, image_encoder, text_encoder, tokenizer

MAX = 50_000_000
WORDS = ["?", "rose", "leaf", "sky", "photo", "</s>"]
# Roses are red, leaves green, the sky is blue; "photo" is a little of each.
VECTORS = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.1, 0.1, 0.1], [9, 9, 9]]
LABELS = "Rose\tPlant\nLeaf\tPlant\nSky\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with both encoders, the tokenizer and the labels."""
    image_encoder(tmp_path / "image.onnx")
    text_encoder(tmp_path / "text.onnx", VECTORS)
    tokenizer(tmp_path / "tokenizer.json", WORDS)
    (tmp_path / "names.txt").write_text(LABELS)
    return tmp_path


def embed(folder: Path, *options: str, output: str = "labels.npz") -> int:
    return main(
        [
            *("embed-labels", str(folder / "names.txt"), "--output", str(folder / output)),
            *("--text-encoder", str(folder / "text.onnx")),
            *("--tokenizer", str(folder / "tokenizer.json")),
            *options,
        ]
    )


def described(folder: Path, **output: Any) -> Path:
    given = {"size": 8, "resize": "stretch", "scale": 1 / 255}
    values = {"type": "zero-shot", "model": "image.onnx", "labels": "labels.npz"}
    return describe(folder, "", given, output, **values)


def opened(folder: Path, **output: Any) -> Detector:
    return open_described(described(folder, **output), max_pixels=MAX)


def seen(detector: Detector, *colour: int) -> dict[str, float]:
    out = io.BytesIO()
    Image.new("RGB", (20, 20), colour).save(out, "PNG")
    picture = Picture("key", ImageType.PNG, lambda: io.BytesIO(out.getvalue()))
    found = detector.detect(picture, max_labels=9, min_confidence=1)
    return {label.name: label.confidence for label in found.labels}


def test_picture_gets_the_labels_whose_texts_fit(folder: Path) -> None:
    """With parents, as those of other classifiers."""
    assert embed(folder) == 0
    detector = opened(folder)
    assert list(seen(detector, 250, 20, 20)) == ["Plant", "Rose"]
    assert list(seen(detector, 20, 20, 250)) == ["Sky"]
    assert detector.name == "colours/2"


def test_picture_keeps_its_vector_for_searches(folder: Path) -> None:
    """In bytes, and without an outline: `similar` compares no such pictures."""
    embed(folder)
    out = io.BytesIO()
    Image.new("RGB", (20, 20), (250, 125, 0)).save(out, "PNG")
    picture = Picture("key", ImageType.PNG, lambda: io.BytesIO(out.getvalue()))
    found = opened(folder).detect(picture, max_labels=9, min_confidence=1)
    assert found.embedding == Embedding("colours/2", bytes([127, 64, 0]), b"")


def test_confidence_follows_scale_bias_and_activation(folder: Path) -> None:
    """As CLIP's softmax and SigLIP's sigmoid compute it."""
    embed(folder, "--prompt", "{}")
    half = seen(opened(folder, activation="sigmoid", scale=10, bias=-5), 255, 255, 0)
    cosine = 1 / np.sqrt(2)
    expected = 100 / (1 + np.exp(5 - 10 * cosine))
    assert half["Rose"] == half["Leaf"] == pytest.approx(expected, abs=0.01)
    shares = seen(opened(folder, scale=2), 255, 255, 0)
    powers = np.exp([2 * cosine, 2 * cosine, 0])
    assert shares["Sky"] == pytest.approx(100 * powers[2] / powers.sum(), abs=0.01)


def test_prompts_are_averaged(folder: Path) -> None:
    """Each as a unit vector, and the mean too."""
    embed(folder, "--prompt", "photo {}", "--prompt", "{}")
    vectors = read_label_vectors(folder / "labels.npz").vectors
    one, other = np.array([1.1, 0.1, 0.1]), np.array([1, 0, 0])
    mean = one / np.linalg.norm(one) + other
    assert vectors[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)


def test_texts_are_padded_and_cut_off_to_a_length(folder: Path) -> None:
    """As SigLIP needs, whose encoder has no mask; here padding is visible in the vector."""
    text_encoder(folder / "text.onnx", VECTORS, masked=False)
    embed(folder, "--prompt", "{} photo photo", "--length", "1")
    assert read_label_vectors(folder / "labels.npz").vectors[0].tolist() == [1, 0, 0]
    embed(folder, "--prompt", "{}", "--length", "2")
    expected = np.array([10, 9, 9]) / np.linalg.norm([10, 9, 9])
    assert read_label_vectors(folder / "labels.npz").vectors[0] == pytest.approx(expected)


def test_mask_leaves_padding_out(folder: Path) -> None:
    encoder = TextEncoder(
        folder / "text.onnx",
        folder / "tokenizer.json",
        output="text_embeds",
        length=5,
        pad_token="</s>",
    )
    assert label_vectors(encoder, ["sky"], ["{}"]).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--prompt", "a photo"), "has no {} for the label"),
        (("--vector", "pooled"), "has no output 'pooled': choose text_embeds."),
        (("--length", "4", "--pad-token", "[PAD]"), "has no token '[PAD]' for padding."),
        (("--prompt", "{} ?", "--vector", "text_embeds"), ""),
    ],
)
def test_wrong_options_are_explained(
    folder: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], says: str
) -> None:
    assert bool(embed(folder, *options)) == bool(says)
    assert says in capsys.readouterr().err


def test_text_without_a_vector_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "names.txt").write_text("Unheard\n")
    assert embed(folder, "--prompt", "{}") == 1
    assert "returns no usable vector for 'Unheard'" in capsys.readouterr().err
    assert not (folder / "labels.npz").exists()


def test_missing_tokenizers_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    assert embed(folder) == 1
    assert "requirements/text.txt" in capsys.readouterr().err


def test_damaged_tokenizer_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "tokenizer.json").write_text("{")
    assert embed(folder) == 1
    assert "Give the tokenizer.json of the text encoder." in capsys.readouterr().err


# Checks at the start.


def unusable(folder: Path, **output: Any) -> str:
    with pytest.raises(ModelUnusable) as error:
        opened(folder, **output)
    return str(error.value)


def test_output_that_the_model_lacks_is_refused(folder: Path) -> None:
    embed(folder)
    says = 'output.vector is "pooled", but the model returns highest, image_embeds.'
    assert unusable(folder, vector="pooled").endswith(says)


def test_labels_of_another_encoder_are_refused(folder: Path) -> None:
    """Their vectors have another length."""
    write_label_vectors(folder / "labels.npz", ["Rose"], np.ones((1, 2), np.float32))
    assert "returns 3 numbers, but the labels' vectors have 2" in unusable(folder)


@pytest.mark.parametrize("content", [b"", b"Rose\n", b"PK\x03\x04broken"])
def test_file_without_vectors_is_refused(folder: Path, content: bytes) -> None:
    """A labels file, for example."""
    (folder / "labels.npz").write_bytes(content)
    assert unusable(folder).endswith("Make them with 'labelling embed-labels'.")


def test_fewer_vectors_than_labels_are_refused(folder: Path) -> None:
    write_label_vectors(folder / "labels.npz", ["Rose", "Sky"], np.ones((1, 3), np.float32))
    assert "is damaged" in unusable(folder)
