"""The bodies of webhooks, and their schema."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from core.domain.blob import Blob, BlobStatus, Failure, FailureCode, ImageType, expire
from core.domain.clock import to_text
from core.domain.corrections import DecisionKind
from core.domain.errors import WrongState
from core.domain.facts import (
    MAX_EXTERNAL_ID,
    MAX_FILE_NAME,
    MAX_METADATA,
    Facts,
    metadata_of,
    problems_in,
)
from core.domain.label import BoundingBox, Instance, Label
from core.events import webhook_payload  # pytest would collect test_event as a test
from core.events.webhook_payload import CUT_TEXT, MAX_BODY, blob_event, labels_changed_event
from scripts.webhook_schema import webhook_schema
from tests.support.blobs import (
    NOON,
    a_blob,
    again,
    corrected,
    failed,
    full_blob,
    labelled,
    uploaded,
)
from tests.support.webhooks.schema import SCHEMA, VALIDATOR, valid

CAT = {"name": "Cat", "confidence": 9, "parents": [], "instances": [], "source": "DETECTOR"}
EXPECTED = {
    "id": "",
    "contentType": "JPEG",
    "sizeBytes": 5,
    "createdAt": "2026-01-31T12:00:00.123Z",
    "fileName": None,
    "externalId": None,
    "metadata": {},
    "labelsOmitted": 0,
    "parentsOmitted": 0,
    "instancesOmitted": 0,
}


def test_body_of_a_labelled_blob() -> None:
    """Names and values are those of the GraphQL type Blob; the text is UTF-8."""
    blob = full_blob()
    body = blob_event(blob)
    ((found,),) = (label.instances for label in (blob.labels or ()) if label.instances)
    assert valid(body) == {
        "type": "blob.labelled",
        "timestamp": "2026-01-31T12:00:02.123Z",
        "data": {
            "blob": EXPECTED
            | {
                "id": blob.id,
                "fileName": "Straße.jpg",
                "externalId": "order-17",
                "metadata": {"album": "Élan", "year": "2026"},
                "status": "LABELLED",
                "width": 640,
                "height": 480,
                "labelledAt": "2026-01-31T12:00:02.123Z",
                "labels": [
                    {
                        "name": "Tabby Cat",
                        "confidence": 99.5,
                        "parents": ["Cat", "Animal"],
                        "instances": [
                            {"boundingBox": asdict(found.bounding_box), "confidence": 88.25}
                        ],
                        "source": "OWNER",
                    },
                    {
                        "name": "Ünïcode ☃",
                        "confidence": 55.0,
                        "parents": [],
                        "instances": [],
                        "source": "DETECTOR",
                    },
                ],
                "failure": None,
            }
        },
    }
    assert "☃".encode() in body
    assert b'"type":"blob.labelled"' in body


def test_body_of_corrected_labels_has_all_of_them() -> None:
    """Its time is that of the correction; the rest is as for a labelled blob."""
    blob = labelled(uploaded(a_blob()), ("Cat", 90.0))
    changed = corrected(blob, DecisionKind.ADDED, "Cow", at=NOON + timedelta(hours=1))
    body = valid(labels_changed_event(changed))
    assert (body["type"], body["timestamp"]) == ("blob.labels_changed", "2026-01-31T13:00:00.123Z")
    assert body["data"] == valid(blob_event(changed))["data"]
    labels = body["data"]["blob"]["labels"]
    assert [(each["name"], each["source"]) for each in labels] == [
        ("Cow", "OWNER"),
        ("Cat", "DETECTOR"),
    ]
    with pytest.raises(WrongState):
        labels_changed_event(blob)


def test_body_of_a_failed_blob_has_the_reason() -> None:
    """It has no labels and no labelledAt."""
    told = valid(blob_event(failed(uploaded(a_blob()))))
    assert told["type"] == "blob.failed"
    assert told["timestamp"] == "2026-01-31T12:00:00.123Z"
    assert told["data"]["blob"] | {"id": ""} == EXPECTED | {
        "status": "FAILED",
        "width": None,
        "height": None,
        "labelledAt": None,
        "labels": None,
        "failure": {"code": "CORRUPT_IMAGE", "message": "The picture breaks off."},
    }


def test_body_of_a_test_event() -> None:
    """With the time of the request."""
    told = valid(webhook_payload.test_event(NOON))
    assert told == {
        "type": "webhook.test",
        "timestamp": "2026-01-31T12:00:00.123Z",
        "data": {"message": "This is a test. Nothing has happened."},
    }


def test_blob_without_labels_has_an_empty_list() -> None:
    """The list is not null: the blob was labelled."""
    told = valid(blob_event(labelled(uploaded(a_blob()))))
    assert told["data"]["blob"]["labels"] == []


@pytest.mark.parametrize("name", ["anna's secret owner", "https://example.test/hook", "sha256"])
def test_body_has_no_other_fields(name: str) -> None:
    """Neither the owner nor the callback URL."""
    body = blob_event(replace(full_blob(NOON), owner="anna's secret owner")).decode()
    assert name not in body


@pytest.mark.parametrize(
    "blob",
    [a_blob(), uploaded(a_blob()), expire(a_blob(), NOON), again(labelled(uploaded(a_blob())))],
)
def test_unfinished_blob_has_no_event(blob: Blob) -> None:
    assert not blob.finished
    with pytest.raises(WrongState):
        blob_event(blob)


def test_largest_result_of_aws_is_complete() -> None:
    """Forty labels with longish names and many parents: no detector returns more."""
    label = Label("Label of thirty-two characters !", 99.99999, ("Parent of twenty cha",) * 8)
    told = valid(blob_event(replace(full_blob(), labels=(label,) * 40)))
    assert told["data"]["blob"]["labelsOmitted"] == told["data"]["blob"]["parentsOmitted"] == 0


def test_parents_are_omitted_before_labels() -> None:
    """Those of the least confident labels first; as many labels as possible keep them."""
    labels = tuple(Label(f"Ÿ{n:02}", 100.0 - n, ("ÿ" * 100,) * 4) for n in range(40))
    body = blob_event(replace(full_blob(), labels=labels))
    told = valid(body)["data"]["blob"]
    assert [label["name"] for label in told["labels"]] == [label.name for label in labels]
    counts = [len(label["parents"]) for label in told["labels"]]
    full = counts.count(4)
    assert counts == [4] * full + [0] * (40 - full)
    assert (told["labelsOmitted"], told["parentsOmitted"]) == (0, 4 * (40 - full))
    assert MAX_BODY - 4 * 203 <= len(body) <= MAX_BODY


def test_instances_are_omitted_first() -> None:
    """Those of the least confident labels first, all of a label or none. Parents may stay."""
    crowd = (Instance(BoundingBox(1 / 3, 1 / 3, 1 / 7, 1 / 7), 99.125),) * 60
    labels = tuple(Label(f"Crowd {n}", 100.0 - n, ("Animal",), crowd) for n in range(3))
    told = valid(blob_event(replace(full_blob(), labels=labels)))["data"]["blob"]
    assert [len(label["instances"]) for label in told["labels"]] == [60, 60, 0]
    assert all(label["parents"] == ["Animal"] for label in told["labels"])
    omitted = [told[f"{kind}Omitted"] for kind in ("labels", "parents", "instances")]
    assert omitted == [0, 0, 60]


def test_labels_are_omitted_last() -> None:
    """The most confident ones stay, without parents."""
    labels = tuple(Label(f"{n:02}" + "☃" * 400, 100.0 - n, ("Animal",)) for n in range(40))
    body = blob_event(replace(full_blob(), labels=labels))
    told = valid(body)["data"]["blob"]
    shown = len(told["labels"])
    assert [label["name"] for label in told["labels"]] == [each.name for each in labels[:shown]]
    assert (told["labelsOmitted"], told["parentsOmitted"]) == (40 - shown, shown)
    assert MAX_BODY - 1300 <= len(body) <= MAX_BODY


def test_long_texts_are_cut_only_if_the_body_is_too_long() -> None:
    """They end with an ellipsis."""
    blob = failed(uploaded(a_blob()))
    for length, kept in [(4_000, 4_000), (40_000, CUT_TEXT)]:
        failure = Failure(FailureCode.LABELLER_UNAVAILABLE, "x" * length)
        told = valid(blob_event(replace(blob, failure=failure)))["data"]["blob"]
        assert len(told["failure"]["message"]) == kept
    assert told["failure"]["message"].endswith("x…")


def test_longest_allowed_body_is_complete() -> None:
    """One byte more is too long."""
    blob = failed(uploaded(a_blob()))
    empty = len(in_full(replace(blob, failure=Failure(FailureCode.TOO_LARGE, ""))))
    for length, whole in [(19_999, True), (20_000, False)]:
        message = "x" * (length - empty)
        body = blob_event(replace(blob, failure=Failure(FailureCode.TOO_LARGE, message)))
        assert (len(body) == length) is whole


def test_the_greatest_facts_leave_room_for_the_rest() -> None:
    """In full, with a long failure or with labels; quotation marks take two bytes each."""
    pairs = [(f"{n:02}", '"' * (MAX_METADATA // 16 - 2)) for n in range(16)]
    facts = Facts("👩" * MAX_FILE_NAME, '"' * MAX_EXTERNAL_ID, metadata_of(pairs))
    assert not [*problems_in(facts.file_name, facts.external_id, pairs)]
    many = tuple((f"{n}" + "é" * 90, 60.0) for n in range(40))
    failure = Failure(FailureCode.TOO_LARGE, "é" * 20_000)
    for blob in (
        labelled(uploaded(a_blob(facts=facts)), *many),
        replace(failed(uploaded(a_blob(facts=facts))), failure=failure),
    ):
        told = valid(blob_event(blob))["data"]["blob"]
        assert told["fileName"] == facts.file_name
        assert told["externalId"] == facts.external_id
        assert told["metadata"] == dict(pairs)
        assert told["labels"] or told["failure"]["message"].startswith("é")


TEXTS = st.text(max_size=4)  # of any script; control characters take six bytes each in JSON
SHARES = st.floats(0, 1)
INSTANCES = st.builds(
    Instance, st.builds(BoundingBox, SHARES, SHARES, SHARES, SHARES), st.floats(0, 100)
)
LABELS = st.builds(
    Label,
    TEXTS,
    st.floats(0, 100),
    st.lists(TEXTS, max_size=4).map(tuple),
    st.lists(INSTANCES, max_size=2).map(tuple),
)
PIXELS = st.none() | st.integers(0, 10**9)
MOMENTS = st.datetimes().map(lambda moment: moment.replace(tzinfo=NOON.tzinfo))
BLOBS = st.builds(
    a_blob,
    status=st.sampled_from([BlobStatus.LABELLED, BlobStatus.FAILED]),
    content_type=st.sampled_from(ImageType),
    created_at=MOMENTS,
    finished_at=MOMENTS,
    size=PIXELS,
    width=PIXELS,
    height=PIXELS,
    labels=st.lists(LABELS, max_size=5).map(tuple),
    failure=st.builds(Failure, st.sampled_from(FailureCode), TEXTS),
)


@given(BLOBS, st.sampled_from([1, 8]), st.sampled_from([1, 10, 30, 60, 150, 600, 6000]))
def test_every_body_is_valid_short_and_counts_omissions(
    blob: Blob, copies: int, stretch: int
) -> None:
    """Under 20 kB, with the most confident labels; complete if it fits; always the same."""
    blob = stretched(blob, copies, stretch)
    body = blob_event(blob)
    assert len(body) < 20_000
    assert body == blob_event(blob)
    told = valid(body)["data"]["blob"]
    whole = in_full(blob)
    if len(whole) < 20_000:
        assert body == whole
    if blob.status is BlobStatus.FAILED:
        return
    labels, shown = blob.labels or (), told["labels"]
    assert len(labels) == len(shown) + told["labelsOmitted"]
    assert bool(labels) == bool(shown)
    left_out = placeless = 0
    for label, kept in zip(labels, shown, strict=False):
        if placeless and label.instances:
            assert not kept["instances"], "those of the least confident labels go first"
        placeless += len(label.instances) - len(kept["instances"])
        assert kept["confidence"] == label.confidence
        assert label.name.startswith(kept["name"][: CUT_TEXT - 1])
        if left_out and label.parents:
            assert not kept["parents"], "parents of the least confident labels go first"
        left_out += len(label.parents) - len(kept["parents"])
    assert told["parentsOmitted"] == left_out
    assert told["instancesOmitted"] == placeless
    if left_out:
        assert not any(kept["instances"] for kept in shown), "parents go after them"
    if told["labelsOmitted"]:
        assert not any(kept["parents"] for kept in shown), "labels go last"


def stretched(blob: Blob, copies: int, stretch: int) -> Blob:
    """Return the blob with more labels, most confident first, and longer texts."""
    labels = [
        replace(
            each, name=each.name * stretch, parents=tuple(text * stretch for text in each.parents)
        )
        for each in (blob.labels or ()) * copies
    ]
    failure = blob.failure and replace(blob.failure, message=blob.failure.message * stretch)
    in_order = sorted(labels, key=lambda label: -label.confidence)
    return replace(blob, labels=tuple(in_order), failure=failure)


def in_full(blob: Blob) -> bytes:
    """Return the complete body, built independently."""
    done = blob.status is BlobStatus.LABELLED
    at = to_text(blob.finished_at or NOON)
    body: dict[str, Any] = {
        "type": "blob.labelled" if done else "blob.failed",
        "timestamp": at,
        "data": {
            "blob": {
                "id": blob.id,
                "contentType": blob.content_type.name,
                "sizeBytes": blob.size,
                "width": blob.width,
                "height": blob.height,
                "createdAt": to_text(blob.created_at),
                "fileName": None,
                "externalId": None,
                "metadata": {},
                "labelsOmitted": 0,
                "parentsOmitted": 0,
                "instancesOmitted": 0,
                "status": blob.status,
                "labelledAt": at if done else None,
                "labels": [
                    {
                        "name": each.name,
                        "confidence": each.confidence,
                        "parents": each.parents,
                        "instances": [
                            {
                                "boundingBox": asdict(found.bounding_box),
                                "confidence": found.confidence,
                            }
                            for found in each.instances
                        ],
                        "source": each.source,
                    }
                    for each in blob.labels or ()
                ]
                if done
                else None,
                "failure": None
                if done or not blob.failure
                else {"code": blob.failure.code, "message": blob.failure.message},
            }
        },
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def test_published_schema_is_generated_from_the_code() -> None:
    """And is a valid schema."""
    assert SCHEMA.read_text() == webhook_schema()
    Draft202012Validator.check_schema(VALIDATOR.schema)


def test_every_field_of_the_schema_is_described() -> None:
    """Or is a constant, or its type is described."""
    definitions = json.loads(webhook_schema())["$defs"]
    for name, definition in definitions.items():
        assert definition["description"], name
        assert sorted(definition["required"]) == sorted(definition["properties"])
        for key, property_ in definition["properties"].items():
            says = {"description", "const", "$ref"} & property_.keys()
            assert says or property_ == {"type": "null"}, f"{name}.{key}"


def test_schema_allows_additions() -> None:
    """Properties everywhere, and values of open lists."""
    told = valid(blob_event(failed(uploaded(a_blob()))))
    told["new"] = told["data"]["new"] = told["data"]["blob"]["new"] = {"a": 1}
    told["data"]["blob"]["contentType"] = "WEBP"
    told["data"]["blob"]["failure"] |= {"code": "BROKEN", "new": 1}
    VALIDATOR.validate(told)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("type", "blob.vanished"),
        ("type", "blob.failed"),
        ("timestamp", "yesterday"),
        ("data.blob.labels", None),
        ("data.blob.labels", [{**CAT, "confidence": 101}]),
        ("data.blob.status", "FAILED"),
        ("data.blob.id", 7),
        ("data.blob.labelsOmitted", -1),
        (
            "data.blob.labels",
            [{**CAT, "instances": [{"confidence": 9}]}],
        ),
    ],
)
def test_schema_refuses_invalid_bodies(path: str, value: object) -> None:
    """Each type of event has its own shape."""
    told = valid(blob_event(full_blob()))
    *way, last = path.split(".")
    place = told
    for step in way:
        place = place[step]
    place[last] = value
    with pytest.raises(ValidationError):
        VALIDATOR.validate(told)
