"""Texts of searches, encoded by the text encoder of a zero-shot classifier's file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.domain.errors import InvalidValue
from core.domain.label import Embedding
from embedded.settings import Settings
from embedded.similar.text import open_text_search
from labeller.detectors.described import open_described
from labeller.detectors.label_vectors import write_label_vectors
from labeller.detectors.onnx_session import ModelUnusable
from tests.support.images.classifiers import describe, image_encoder, text_encoder, tokenizer

WORDS = ["?", "rose", "sky", "photo", "</s>"]
# An unknown word has no meaning; "photo" is a little of each.
VECTORS = [[0, 0, 0], [1, 0, 0], [0, 0, 1], [0.1, 0.1, 0.1], [9, 9, 9]]
TEXT = '[text]\nencoder = "text.onnx"\ntokenizer = "tokenizer.json"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a zero-shot classifier, clip.toml, and its encoders."""
    image_encoder(tmp_path / "image.onnx")
    text_encoder(tmp_path / "text.onnx", VECTORS)
    tokenizer(tmp_path / "tokenizer.json", WORDS)
    write_label_vectors(tmp_path / "labels.npz", ["Rose", "Sky"], np.array(VECTORS[1:3]))
    return tmp_path


def clip(folder: Path, text: str = TEXT, name: str = "clip") -> Path:
    """Write a zero-shot classifier's file with that table [text]."""
    given = {"size": 8, "resize": "stretch", "scale": 1 / 255}
    top = {"type": "zero-shot", "model": "image.onnx", "labels": "labels.npz", "name": name}
    described = describe(folder, "", given, **top).read_text()
    file = folder / f"{name}.toml"
    file.write_text(described + text)
    return file


def merged(folder: Path, *networks: str) -> Path:
    file = folder / "merged.toml"
    file.write_text(
        f'type = "merged"\nname = "mine"\nversion = "1"\nnetworks = {list(networks)!r}\n'
    )
    return file


def search_of(file: Path | None, **settings: Any) -> Any:
    return open_text_search(Settings(classifier=file, **settings))


def test_text_gets_the_embedding_of_its_network(folder: Path) -> None:
    encode = search_of(clip(folder))
    assert encode("a red rose") == Embedding("clip/2", bytes([127, 0, 0]), b"")
    assert encode("Rose sky") == Embedding("clip/2", bytes([127, 0, 127]), b"")


def test_text_is_put_into_the_prompt(folder: Path) -> None:
    encode = search_of(clip(folder, TEXT + 'prompt = "photo {} photo"\n'))
    assert encode("rose").features == bytes([127, 21, 21])


def test_long_text_is_cut_off(folder: Path) -> None:
    """An encoder fails on more tokens than it was trained with."""
    encode = search_of(clip(folder, TEXT + "max_tokens = 2\n"))
    assert encode("? rose sky").features == bytes([127, 0, 0])


def test_text_is_padded_as_the_labels_were(folder: Path) -> None:
    text_encoder(folder / "text.onnx", VECTORS, masked=False)
    encode = search_of(clip(folder, TEXT + "length = 2\n"))
    assert encode("rose").features == bytes([127, 114, 114])


def test_text_of_unknown_words_is_refused(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    encode = search_of(clip(folder))
    with caplog.at_level(logging.WARNING), pytest.raises(InvalidValue) as error:
        encode("axolotl")
    assert error.value.field == "text"
    assert "use other words" in str(error.value)
    assert "no usable vector for 'axolotl'" in caplog.text


def test_services_without_a_text_encoder_have_no_search(folder: Path) -> None:
    """Nor does labelling with one need more than the file."""
    assert search_of(None) is None
    assert search_of(clip(folder, "")) is None
    assert search_of(clip(folder), detector="rekognition") is None
    open_described(clip(folder), max_pixels=10**6)


def test_text_encoder_of_other_labels_is_refused(folder: Path) -> None:
    text_encoder(folder / "text.onnx", [[1, 1], [1, 0]])
    with pytest.raises(ModelUnusable) as error:
        search_of(clip(folder))
    assert "text.encoder returns 2 numbers, but the labels' vectors have 3." in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT.replace("text.onnx", "gone.onnx"), "text.encoder names no file"),
        (TEXT + 'vectors = "a"\n', "text.vectors is an unknown key: write vector."),
        (TEXT + 'prompt = "a photo"\n', "text.prompt has no {} for the text."),
        (TEXT + 'vector = "pooled"\n', "has no output 'pooled': choose text_embeds."),
        ("[text]\n", "text.encoder is missing"),
    ],
)
def test_wrong_tables_are_explained(folder: Path, text: str, says: str) -> None:
    with pytest.raises(ModelUnusable) as error:
        search_of(clip(folder, text))
    assert says in str(error.value)


# Several networks: the embedding of the first one that makes any is stored.


def test_the_first_network_of_several_is_searched(folder: Path) -> None:
    clip(folder)
    encode = search_of(merged(folder, "clip.toml", "default"))
    assert encode("rose").network == "clip/2"
    clip(folder, "", name="other")
    assert search_of(merged(folder, "other.toml", "default")) is None
    assert search_of(merged(folder, "default", "other.toml")) is None


@pytest.mark.parametrize("first", ["default", "other.toml"])
def test_a_text_encoder_that_would_have_no_pictures_is_refused(folder: Path, first: str) -> None:
    clip(folder)
    clip(folder, "", name="other")
    with pytest.raises(ModelUnusable) as error:
        search_of(merged(folder, first, "clip.toml"))
    assert f"networks lists {first} before clip.toml: list clip.toml first" in str(error.value)
