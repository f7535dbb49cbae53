"""Spans of the labelling of uploads."""

from __future__ import annotations

import pytest
from opentelemetry.trace import StatusCode

from core.domain.blob import Failure, FailureCode
from core.domain.errors import PictureRefused, Unavailable
from core.runtime.tracing import no_tracer
from labeller.label_blob import BlobLabeller
from labeller.s3_event import Upload
from labeller.traced import traced_detector, traced_labeller
from tests.support.images.detectors import ScriptedDetector
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.spans import TRACEPARENT, Spans, parent_of


@pytest.fixture
def spans() -> Spans:
    return Spans()


class Labelling:
    """The labeller with spans, over real stores."""

    def __init__(self, stores: EmbeddedStores, spans: Spans) -> None:
        self.detector = ScriptedDetector()
        self.stores = stores
        detector = traced_detector(self.detector, spans.tracer)
        labeller = BlobLabeller(stores.blobs, stores.storage, detector, stores.clock)
        self.labeller = traced_labeller(labeller, stores.blobs, spans.tracer)

    def label(self, key: str) -> None:
        self.labeller.label(Upload("originals", key, 5))


@pytest.fixture
def labelling(stores: EmbeddedStores, spans: Spans) -> Labelling:
    return Labelling(stores, spans)


def test_labelling_is_a_span_of_the_blobs_trace_with_detection_in_it(
    labelling: Labelling, stores: EmbeddedStores, spans: Spans
) -> None:
    blob = stores.labelling(traceparent=TRACEPARENT)
    labelling.label(blob.key)
    label, detect = spans.one("label"), spans.one("detect")
    assert parent_of(label) == TRACEPARENT
    assert detect.parent == label.get_span_context()
    assert dict(label.attributes or {}) == {
        "labelling.blob.id": blob.id,
        "labelling.size": 5,
        "labelling.status": "LABELLED",
        "labelling.detector": "eye 1",
    }
    assert dict(detect.attributes or {}) == {
        "labelling.labels": 1,
        "labelling.width": 640,
        "labelling.height": 480,
    }
    assert stores.now(blob).traceparent == TRACEPARENT


def test_refused_picture_is_a_labelling_that_succeeded(
    labelling: Labelling, stores: EmbeddedStores, spans: Spans
) -> None:
    """The detection failed; the labeller recorded why, and nothing is repeated."""
    labelling.detector.results(PictureRefused("CORRUPT_IMAGE", "damaged"))
    blob = stores.labelling(traceparent=TRACEPARENT)
    labelling.label(blob.key)
    assert stores.now(blob).failure == Failure(FailureCode.CORRUPT_IMAGE, "damaged")
    label = spans.one("label")
    assert label.status.status_code is StatusCode.UNSET
    assert (label.attributes or {})["labelling.failure"] == "CORRUPT_IMAGE"
    assert spans.one("detect").status.status_code is StatusCode.ERROR


def test_each_try_is_a_span_of_the_same_trace(
    labelling: Labelling, stores: EmbeddedStores, spans: Spans
) -> None:
    labelling.detector.results(Unavailable("not now"), *ScriptedDetector()._script)
    blob = stores.labelling(traceparent=TRACEPARENT)
    with pytest.raises(Unavailable):
        labelling.label(blob.key)
    labelling.label(blob.key)
    first, second = spans.ended("label")
    assert parent_of(first) == parent_of(second) == TRACEPARENT
    assert first.status.status_code is StatusCode.ERROR
    assert second.status.status_code is StatusCode.UNSET


def test_blob_of_a_time_without_traces_has_a_trace_from_here_on(
    labelling: Labelling, stores: EmbeddedStores, spans: Spans
) -> None:
    labelling.label(stores.labelling().key)
    assert parent_of(spans.one("label")) is None


@pytest.mark.parametrize("key", ["originals/anna/01ARYZ6S41TSV4RRFFQ69G5FAV", "inbox/a.jpg"])
def test_object_without_a_blob_has_no_span(labelling: Labelling, spans: Spans, key: str) -> None:
    labelling.label(key)
    assert spans.ended() == []


def test_upload_that_is_given_up_fails(labelling: Labelling, stores: EmbeddedStores) -> None:
    blob = stores.labelling()
    labelling.labeller.give_up(Upload("originals", blob.key, 5))
    assert stores.now(blob).failure is not None


def test_without_traces_nothing_stands_before_the_labeller_and_the_detector(
    stores: EmbeddedStores,
) -> None:
    detector = ScriptedDetector()
    labeller = BlobLabeller(stores.blobs, stores.storage, detector, stores.clock)
    assert traced_detector(detector, no_tracer) is detector
    assert traced_labeller(labeller, stores.blobs, no_tracer) is labeller
