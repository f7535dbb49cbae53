"""The table [text] of a zero-shot classifier's file: the text encoder that searches need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from labeller.detectors.toml_table import Table

_MAX_TOKENS: Final = 77  # CLIP's


@dataclass(frozen=True, slots=True)
class TextNetwork:
    """A text encoder whose vectors are compared with those of `network`, an image encoder.

    `labels` is the file of that one's labels, whose vectors the text encoder has made. In `prompt`,
    `{}` stands for a text. The other fields are as in `TextEncoder`.
    """

    file: Path
    network: str
    labels: Path
    model: Path
    tokenizer: Path
    output: str
    prompt: str
    max_tokens: int
    length: int | None
    pad_token: str


def read_text_network(file: Path, top: Table) -> TextNetwork | None:
    """Read the table [text], None if there is none. Raises ModelUnusable."""
    text = top.table("text")
    if not top.has("text"):
        return None
    network = TextNetwork(
        file=file,
        network=network_name(top),
        labels=top.path("labels"),
        model=text.path("encoder"),
        tokenizer=text.path("tokenizer"),
        output=text.text("vector", "text_embeds"),
        prompt=text.text("prompt", "{}"),
        max_tokens=text.whole("max_tokens", _MAX_TOKENS),
        length=text.whole("length", 0) or None,
        pad_token=text.text("pad_token", "</s>"),
    )
    text.refuse_unknown_keys()
    text.require_files("encoder", "tokenizer")
    if "{}" not in network.prompt:
        text.refuse("prompt", "has no {} for the text")
    return network


def network_name(top: Table) -> str:
    """Return the name and version of a network, by which its vectors are stored."""
    return f"{top.name('name')}/{top.name('version')}"
