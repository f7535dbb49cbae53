"""Embeddings of known similarity."""

from __future__ import annotations

import math
import struct

from core.domain.label import Embedding
from embedded.similar.vectors import OUTLINE

NETWORK = "eye/1"


def embedding(similarity: float = 1.0, network: str = NETWORK) -> Embedding:
    """An embedding whose similarity to `embedding()` is this, to two decimals, for both kinds."""
    other = math.sqrt(1 - similarity * similarity)
    numbers = struct.pack("2b", round(127 * similarity), round(127 * other))
    return Embedding(network, numbers + bytes(2), numbers + bytes(OUTLINE - 2))
