"""Blobs as documents and as items of DynamoDB."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.blob import Blob
from core.domain.clock import to_millisecond
from core.domain.corrections import DecisionKind
from core.domain.label import BoundingBox, Instance, Label
from core.repositories.serialization import (
    blob_from_document,
    blob_from_item,
    blob_keys,
    blob_to_document,
    blob_to_item,
    document_to_item,
    marshal,
    unmarshal,
)
from tests.support.blobs import CORRUPT, NOON, a_blob, corrected, full_blob, labelled, uploaded

PERCENT = st.floats(0, 100)
SHARE = st.floats(0, 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)
MOMENTS = st.integers(0, 10**12).map(lambda ms: NOON + timedelta(milliseconds=ms))
INSTANCES = st.builds(Instance, st.builds(BoundingBox, SHARE, SHARE, SHARE, SHARE), PERCENT)
LABELS = st.builds(
    Label,
    TEXT,
    PERCENT,
    st.lists(TEXT, max_size=2).map(tuple),
    st.lists(INSTANCES, max_size=2).map(tuple),
)
SIZES = st.none() | st.integers(0, 2**53)
BLOBS = st.builds(
    replace,
    st.just(a_blob()),
    owner=TEXT,
    min_confidence=PERCENT,
    callback_url=st.none() | TEXT,
    declared_size=SIZES,
    size=SIZES,
    width=SIZES,
    uploaded_at=st.none() | MOMENTS,
    labels=st.none() | st.lists(LABELS, max_size=3).map(tuple),
    detected_labels=st.none() | st.lists(LABELS, max_size=3).map(tuple),
    failure=st.none() | st.just(CORRUPT),
    version=st.integers(1, 2**53),
)


@given(BLOBS)
def test_blob_round_trips_through_document_and_item(blob: Blob) -> None:
    """Through JSON too, with numbers as DynamoDB returns them."""
    assert blob_from_document(json.loads(json.dumps(blob_to_document(blob)))) == blob
    assert blob_from_item(blob_to_item(blob)) == blob


def test_every_field_is_serialized() -> None:
    """This test finds a field that is added to Blob and forgotten in the serialization."""
    blob = replace(full_blob(), deletes_at=NOON, deletion_set_at=NOON)
    for field in fields(blob):
        assert getattr(blob, field.name) not in (None, ()), f"{field.name} isn't tested"
    assert blob_from_document(blob_to_document(blob)) == blob
    facts = {"file_name", "external_id", "metadata"}
    others = {field.name for field in fields(blob)} - {"facts"}
    assert set(blob_to_document(blob)) == others | facts


def test_empty_labels_differ_from_none() -> None:
    for labels in (None, ()):
        blob = a_blob(labels=labels)
        assert blob_from_item(blob_to_item(blob)).labels == labels


def test_none_is_omitted() -> None:
    """Of label and blob."""
    document = blob_to_document(a_blob(labels=(Label("Cat", 90.0),)))
    assert "callback_url" not in document
    assert document["labels"] == [{"name": "Cat", "confidence": 90.0}]


def test_item_has_table_keys_and_dynamodb_types() -> None:
    """As in its stream image."""
    blob = full_blob()
    item = blob_to_item(blob)
    assert {name: item[name] for name in ("pk", "sk")} == blob_keys(blob.id)
    assert blob_keys("1") == {"pk": {"S": "blob#1"}, "sk": {"S": "blob"}}
    assert item["created_at"] == {"S": "2026-01-31T12:00:00.123Z"}
    assert item["version"] == {"N": "7"}
    assert item["width"] == {"N": "640"}


def early_item(blob: Blob) -> dict[str, Any]:
    """An item of a version that did not compress labels."""
    return document_to_item(blob_to_document(blob), blob.id)


def test_labels_are_compressed() -> None:
    """Ten of them with their categories are a fifth; earlier items and stream records are read."""
    names = ("Ocelot", "Wildlife", "Mammal", "Animal", "Panther", "Leopard", "Jaguar", "Cheetah")
    labels = tuple(
        Label(name, 99.12345 - n, ("Animal", "Mammal"), categories=("Animals and Pets",))
        for n, name in enumerate(names)
    )
    blob = a_blob(labels=labels)
    item, early = blob_to_item(blob), early_item(blob)
    assert early["labels"]["L"][0]["M"]["confidence"] == {"N": "99.12345"}
    assert len(item["labels"]["B"]) < len(json.dumps(early["labels"])) / 5
    in_stream = {**item, "labels": {"B": base64.b64encode(item["labels"]["B"]).decode()}}
    for each in (item, early, in_stream):
        assert blob_from_item(each) == blob


@pytest.mark.parametrize("content", [b"", b"{}", "no base64", "e30=", zlib.compress(b"{")])
def test_bytes_that_are_no_labels_are_refused(content: object) -> None:
    item = {**blob_to_item(a_blob(labels=(Label("Cat", 90.0),))), "labels": {"B": content}}
    with pytest.raises(ValueError):
        blob_from_item(item)


def test_whole_confidences_stay_floats() -> None:
    """DynamoDB writes 55.0 as 55."""
    item = early_item(a_blob(labels=(Label("Cat", 90.0),)))
    item["min_confidence"] = {"N": "55"}
    item["labels"]["L"][0]["M"]["confidence"] = {"N": "90"}
    blob = blob_from_item(item)
    assert isinstance(blob.min_confidence, float)
    assert isinstance((blob.labels or ())[0].confidence, float)


def test_unknown_fields_are_ignored() -> None:
    """A later version may add some."""
    blob = full_blob()
    assert blob_from_document({**blob_to_document(blob), "mood": "calm"}) == blob


@given(MOMENTS)
def test_times_are_kept_to_the_millisecond(moment: datetime) -> None:
    blob = a_blob(uploaded_at=moment)
    assert blob_from_item(blob_to_item(blob)).uploaded_at == to_millisecond(moment)


@given(JSON)
def test_json_value_round_trips_through_dynamodb_types(value: Any) -> None:
    back = unmarshal(marshal(value))
    assert back == value
    assert isinstance(back, type(value))


def test_tuple_becomes_a_list() -> None:
    assert unmarshal(marshal((1, "a"))) == [1, "a"]


@pytest.mark.parametrize("value", [{"a"}, b"bytes", object()])
def test_value_outside_json_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no type"):
        marshal(value)


@pytest.mark.parametrize("typed", [{"SS": ["a"]}, {"B": "YQ=="}])
def test_other_dynamodb_types_are_refused(typed: dict[str, Any]) -> None:
    """Sets and bytes."""
    with pytest.raises(TypeError, match="DynamoDB type"):
        unmarshal(typed)


@pytest.mark.parametrize("typed", [{}, {"S": "a", "N": "1"}])
def test_attribute_value_has_exactly_one_type(typed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unpack"):
        unmarshal(typed)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"status": "ASLEEP"},
        {"content_type": "image/svg+xml"},
        {"created_at": "yesterday"},
        {"created_at": 7},
        {"labels": 7},
        {"labels": [{"name": "Cat"}]},
        {"labels": ["Cat"]},
        {"failure": {"code": "HICCUP", "message": ""}},
        {"min_confidence": "much"},
    ],
)
def test_document_of_something_else_is_refused(spoilt: dict[str, Any]) -> None:
    """With the errors that readers of streams expect."""
    with pytest.raises((KeyError, TypeError, ValueError)):
        blob_from_document({**blob_to_document(full_blob()), **spoilt})


@pytest.mark.parametrize("name", ["id", "owner", "status", "content_type", "min_confidence"])
def test_missing_required_field_is_refused(name: str) -> None:
    document = blob_to_document(full_blob())
    del document[name]
    with pytest.raises((KeyError, TypeError)):
        blob_from_document(document)


def test_labels_that_were_not_corrected_are_stored_once() -> None:
    """Among what the detector found, only their places are."""
    blob = labelled(uploaded(a_blob()), ("Cat", 90.0), ("Dog", 80.0), ("Cow", 70.0))
    changed = corrected(blob, DecisionKind.CONFIRMED, "Dog")
    document = blob_to_document(changed)
    assert document["detected_labels"] == [1, {"name": "Dog", "confidence": 80.0}, 2]
    assert blob_from_document(document) == changed
