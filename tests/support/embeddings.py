"""Embeddings of known similarity."""

from __future__ import annotations

import math
import struct

from core.domain.label import Embedding

NETWORK = "eye/1"


def embedding(similarity: float = 1.0, network: str = NETWORK) -> Embedding:
    """An embedding whose cosine with `embedding()` is `similarity`, to two decimals."""
    other = math.sqrt(1 - similarity * similarity)
    numbers = (round(127 * similarity), round(127 * other), 0, 0)
    return Embedding(network, struct.pack("4b", *numbers))
