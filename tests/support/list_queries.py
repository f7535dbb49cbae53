"""Queries of blobs and lists, and what their tests share."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from api.graphql.cursors import encode_cursor
from core.domain.label import Label

CAT = Label("Cat", 91.5, parents=("Feline", "Animal"))
DOG = Label("Dog", 60.0)
DIGEST = base64.b64encode(hashlib.sha256(b"cat").digest()).decode()
BLOB = """
query ($id: ID!) {
  blob(id: $id) {
    id status contentType sizeBytes sha256 width height createdAt labelledAt downloadUrl
    detector { name version }
    labels {
      name confidence parents
      instances { confidence boundingBox { left top width height } }
    }
    failure { code message }
    callback { url status nextAttemptAt attempts { at responseStatus errorCode durationMs } }
  }
}
"""
BLOBS = """
query (
  $first: Int! = 20, $after: String, $filter: BlobFilter, $order: BlobOrder! = NEWEST
) {
  blobs(first: $first, after: $after, filter: $filter, orderBy: $order) {
    nodes { id }
    edges { cursor node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
BY_LABEL = """
query (
  $label: String!, $min: Float! = 0, $order: LabelledBlobOrder! = NEWEST, $first: Int! = 20,
  $after: String
) {
  blobsByLabel(
    label: $label, minConfidence: $min, orderBy: $order, first: $first, after: $after
  ) {
    nodes { id }
    edges { cursor confidence node { id } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""
LABELS = """
query ($prefix: String, $first: Int! = 20, $after: String) {
  labels(prefix: $prefix, first: $first, after: $after) {
    nodes { name blobCount }
    pageInfo { hasNextPage endCursor }
  }
}
"""


def ids(connection: dict[str, Any]) -> list[str]:
    return [node["id"] for node in connection["nodes"]]


def assert_bad_input(error: dict[str, Any], argument: str) -> None:
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": argument}


def cursor_text(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forged(scope: tuple[object, ...], *key: Any) -> str:
    return encode_cursor(scope, key)
