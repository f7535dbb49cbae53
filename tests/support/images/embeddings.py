"""Embeddings of known similarity."""

from __future__ import annotations

import math
import struct

from core.domain.label import Embedding
from embedded.similar.vectors import OUTLINE

NETWORK = "eye/1"
TEXT_NETWORK = "clip/1"


def embedding(similarity: float = 1.0, network: str = NETWORK) -> Embedding:
    """An embedding whose similarity to `embedding()` is this, to two decimals, for both kinds."""
    other = math.sqrt(1 - similarity * similarity)
    numbers = struct.pack("2b", round(127 * similarity), round(127 * other))
    return Embedding(network, numbers + bytes(2), numbers + bytes(OUTLINE - 2))


def of_colour(red: int, green: int, blue: int) -> Embedding:
    """The embedding of a picture that is compared with texts; numbers from -127 to 127."""
    return Embedding(TEXT_NETWORK, struct.pack("3b", red, green, blue), b"")


def of_text(text: str) -> Embedding:
    """An embedding of the words "red", "green" and "blue"; others have no meaning."""
    words = text.split()
    return of_colour(*(100 * words.count(word) for word in ("red", "green", "blue")))
