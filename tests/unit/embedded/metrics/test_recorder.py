"""Counters and histograms."""

from __future__ import annotations

import pytest

from core.runtime.metrics import Metric
from embedded.metrics.recorder import COUNTED, Recorder, series_name

# What has other names here, or is of AWS alone.
OTHERS = {
    Metric.DETECTION_TIME,
    Metric.PICTURES_FAILED,
    Metric.DEPRECATED_USES,
    Metric.LIVE_MESSAGES,
    Metric.LIVE_CHANGES_LOST,
}


def value(recorder: Recorder, name: str, **labels: str) -> float | None:
    return recorder.registry.get_sample_value(name, labels)


@pytest.mark.parametrize("metric", COUNTED)
def test_a_count_is_added(metric: Metric) -> None:
    recorder = Recorder()
    assert value(recorder, f"{series_name(metric)}_total") == 0
    recorder(metric)
    recorder(metric, 2)
    assert value(recorder, f"{series_name(metric)}_total") == 3


def test_every_metric_is_recorded_or_named_as_an_exception() -> None:
    assert {*COUNTED, *OTHERS} == set(Metric)
    assert series_name(Metric.WEBHOOK_ATTEMPTS_FAILED) == "labelling_webhook_attempts_failed"


def test_failures_are_counted_by_code() -> None:
    recorder = Recorder()
    recorder(Metric.PICTURES_FAILED, code="TOO_LARGE")
    assert value(recorder, "labelling_pictures_failed_total", code="TOO_LARGE") == 1


def test_milliseconds_of_detections_become_seconds() -> None:
    recorder = Recorder()
    recorder(Metric.DETECTION_TIME, 1500)
    recorder.stage("wait", 0.25)
    assert value(recorder, "labelling_detection_time_seconds_sum") == 1.5
    assert value(recorder, "labelling_detection_stage_seconds_sum", stage="wait") == 0.25
