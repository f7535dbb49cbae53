"""Texts as embeddings, by the text encoder that a zero-shot classifier's file names."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from core.domain.errors import InvalidValue
from core.domain.label import Embedding
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.registry import ONNX

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedded.settings import Settings
    from labeller.detectors.text_encoder import TextEncoder
    from labeller.detectors.text_network import TextNetwork

log = logging.getLogger(__name__)

_KEPT: Final = 256  # embeddings of texts: the next page has the same text


def open_text_search(settings: Settings) -> Callable[[str], Embedding] | None:
    """Return a function that encodes a text; None if no text encoder is configured.

    The function raises InvalidValue for a text that has no embedding. The text encoder is loaded
    into this process. Raises ModelUnusable if that fails, or if it is not that of the labels.
    """
    if settings.detector != ONNX or settings.classifier is None:
        return None
    # numpy and onnx's readers, which a service without a text encoder does not load.
    from labeller.detectors.described import find_text_network  # noqa: PLC0415

    network = find_text_network(settings.classifier)
    return open_text_network(network) if network else None


def open_text_network(network: TextNetwork) -> Callable[[str], Embedding]:
    """Load a text encoder, as `open_text_search` says."""
    from labeller.detectors.embedding import quantised  # noqa: PLC0415
    from labeller.detectors.text_encoder import TextEncoder  # noqa: PLC0415

    encoder = TextEncoder(
        network.model,
        network.tokenizer,
        output=network.output,
        length=network.length,
        pad_token=network.pad_token,
        max_tokens=network.max_tokens,
    )
    _check_length(network, encoder)

    @lru_cache(_KEPT)
    def encode(text: str) -> Embedding:
        try:
            (vector,) = encoder.vectors([network.prompt.replace("{}", text)])
        except ModelUnusable as exc:
            log.warning("a text of a search has no embedding: %s", exc)
            raise InvalidValue(
                "text", "the text encoder does not know it; use other words"
            ) from exc
        return Embedding(network.network, quantised(vector), b"")

    return encode


def _check_length(network: TextNetwork, encoder: TextEncoder) -> None:
    """Compare the text encoder's vectors with those of the labels."""
    from labeller.detectors.label_vectors import read_label_vectors  # noqa: PLC0415

    classes, vectors = read_label_vectors(network.labels)
    (found,) = encoder.vectors([classes.names[0]])
    if found.shape != vectors.shape[1:]:
        raise ModelUnusable(
            f"{network.file}: text.encoder returns {found.size} numbers, but the labels' vectors "
            f"have {vectors.shape[1]}. Name the text encoder that made the labels."
        )
