"""What a webhook says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from catalogue.blob import BlobStatus, Label
from notifier.payload import EVENT_OF_STATUS, EventType, blob_event
from tests.support.blobs import NOON, a_blob, failed, full_blob, labelled, uploaded

MAX_BODY = 20_000  # Standard Webhooks 1.0.0 asks for less


def test_a_labelled_blob_in_full() -> None:
    """Names and values as in the GraphQL type Blob, beyond ASCII in UTF-8."""
    blob = replace(full_blob(), failure=None)
    body = blob_event(EventType.BLOB_LABELLED, blob)
    assert json.loads(body) == {
        "type": "blob.labelled",
        "timestamp": "2026-01-31T12:00:02.123Z",
        "data": {
            "blob": {
                "id": blob.id,
                "status": "LABELLED",
                "contentType": "JPEG",
                "sizeBytes": 5,
                "width": 640,
                "height": 480,
                "createdAt": "2026-01-31T12:00:00.123Z",
                "labelledAt": "2026-01-31T12:00:02.123Z",
                "labels": [
                    {"name": "Tabby Cat", "confidence": 99.5, "parents": ["Cat", "Animal"]},
                    {"name": "Ünïcode ☃", "confidence": 55.0, "parents": []},
                ],
                "failure": None,
            }
        },
    }
    assert "☃".encode() in body
    assert b'"type":"blob.labelled"' in body


def test_a_failed_blob_says_why() -> None:
    """It has no labels and was not labelled."""
    blob = failed(uploaded(a_blob()))
    told = json.loads(blob_event(EventType.BLOB_FAILED, blob))
    assert told["type"] == "blob.failed"
    assert told["data"]["blob"] | {"id": ""} == {
        "id": "",
        "status": "FAILED",
        "contentType": "JPEG",
        "sizeBytes": 5,
        "width": None,
        "height": None,
        "createdAt": "2026-01-31T12:00:00.123Z",
        "labelledAt": None,
        "labels": None,
        "failure": {"code": "CORRUPT_IMAGE", "message": "The picture breaks off."},
    }


def test_a_blob_without_labels_has_an_empty_list() -> None:
    """None were found, which is known."""
    told = json.loads(blob_event(EventType.BLOB_LABELLED, labelled(uploaded(a_blob()))))
    assert told["data"]["blob"]["labels"] == []


@pytest.mark.parametrize("name", ["anna's secret owner", "https://example.test/hook", "sha256"])
def test_nothing_else_is_told(name: str) -> None:
    """Neither whose it is nor where the webhook goes."""
    blob = replace(full_blob(NOON), owner="anna's secret owner")
    body = blob_event(EventType.BLOB_LABELLED, blob).decode()
    assert name not in body


def test_the_longest_body_is_short_enough() -> None:
    """Forty labels with long names and many parents."""
    label = Label("Label of thirty-two characters !", 99.99999, ("Parent of twenty cha",) * 8)
    blob = replace(full_blob(), labels=(label,) * 40)
    assert len(blob_event(EventType.BLOB_LABELLED, blob)) < MAX_BODY


def test_every_last_word_of_the_labeller_has_an_event() -> None:
    """And no other status has."""
    last = {status for status in BlobStatus if a_blob(status=status).finished}
    assert set(EVENT_OF_STATUS) == last
    assert set(EVENT_OF_STATUS.values()) == set(EventType)
