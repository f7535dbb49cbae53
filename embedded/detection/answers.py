"""What a child process answers, as JSON. Pure."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from core.domain.label import Detection, Embedding
from core.repositories.label_documents import label_from_document, label_to_document

if TYPE_CHECKING:
    from collections.abc import Mapping


def detection_to_document(detection: Detection) -> dict[str, Any]:
    """Return a detection as a JSON object."""
    embedding = detection.embedding
    return {
        "labels": [label_to_document(label) for label in detection.labels],
        "width": detection.width,
        "height": detection.height,
        "detector": detection.detector,
        "content_type": detection.content_type,
        "embedding": embedding
        and [embedding.network, *map(_to_text, (embedding.features, embedding.outline))],
    }


def detection_from_document(document: Mapping[str, Any]) -> Detection:
    """Return the detection that `detection_to_document` wrote."""
    embedding = None
    if document["embedding"]:
        network, *vectors = document["embedding"]
        embedding = Embedding(network, *map(base64.b64decode, vectors))
    return Detection(
        tuple(label_from_document(label) for label in document["labels"]),
        document["width"],
        document["height"],
        document["detector"],
        document["content_type"],
        embedding,
    )


def _to_text(vector: bytes) -> str:
    return base64.b64encode(vector).decode("ascii")
