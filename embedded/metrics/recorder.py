"""What the service counts and measures while it works.

Names follow Prometheus: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from core.runtime.metrics import Metric

PREFIX: Final = "labelling_"
FAILED: Final = "labelling_pictures_failed"
# Upper bounds in seconds. A small query takes a millisecond, and an operation at most 15 s.
REQUEST_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
DETECTION_SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
COUNTED: Final = {
    Metric.UPLOADS_CREATED: "Uploads that createUpload promised.",
    Metric.UPLOADED_BYTES: "Bytes of pictures that arrived by PUT.",
    Metric.UPLOADS_EXPIRED: "Uploads that were abandoned.",
    Metric.PICTURES_LABELLED: "Pictures that got labels, new or reused.",
    Metric.LABELS_REUSED: "Pictures that got the labels of a copy.",
    Metric.WEBHOOKS_DELIVERED: "Webhooks that their endpoint accepted.",
    Metric.WEBHOOK_ATTEMPTS_FAILED: "Attempts at webhooks that failed and are repeated.",
    Metric.WEBHOOKS_GIVEN_UP: "Webhooks that are not sent again.",
}


class Recorder:
    """Counters and histograms of one service, in a registry. Threads may share it.

    A call adds a value, as `core.runtime.metrics.Metrics` describes. Every value of a label comes
    from a set that clients can't extend.
    """

    def __init__(self) -> None:
        # They double the number of series.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry(auto_describe=False)
        self._counters = {
            metric: Counter(series_name(metric), text, registry=registry)
            for metric, text in COUNTED.items()
        }
        self._detection = Histogram(
            "labelling_detection_time_seconds",
            "Detection of a picture's labels, with the wait for a detector.",
            buckets=DETECTION_SECONDS,
            registry=registry,
        )
        self._replaced = Counter(
            "labelling_detector_processes_replaced",
            "Detector processes that ended or hung and were replaced.",
            registry=registry,
        )
        failed = Counter(
            FAILED,
            "Pictures that got no labels, by the code of Blob.failure.",
            ["code"],
            registry=registry,
        )
        stages = Histogram(
            "labelling_detection_stage_seconds",
            "Parts of a detection: the wait for a free detector process, and its work.",
            ["stage"],
            buckets=DETECTION_SECONDS,
            registry=registry,
        )
        requests = Counter(
            "labelling_http_requests",
            "HTTP requests that were answered, by operation and class of status.",
            ["operation", "status"],
            registry=registry,
        )
        seconds = Histogram(
            "labelling_http_request_seconds",
            "From an HTTP request's head to the end of its response.",
            ["operation"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        # Kept, because prometheus_client takes a lock and makes a tuple to find a series.
        self._failed = cache(failed.labels)
        self._stages = cache(stages.labels)
        self._of_request = cache(
            lambda operation, status: (
                requests.labels(operation, f"{status // 100}xx").inc,
                seconds.labels(operation).observe,
            )
        )

    def __call__(self, metric: Metric, value: float = 1, *, code: str = "") -> None:
        """Add a value: a count, or milliseconds for a duration."""
        if metric is Metric.DETECTION_TIME:
            self._detection.observe(value / 1000)
        elif metric is Metric.PICTURES_FAILED:
            self._failed(code).inc(value)
        elif metric in self._counters:
            self._counters[metric].inc(value)

    def stage(self, name: str, seconds: float) -> None:
        """Add the duration of a part of a detection: `wait` or `process`."""
        self._stages(name).observe(seconds)

    def replaced(self) -> None:
        """Count a detector process that was replaced."""
        self._replaced.inc()

    def request(self, operation: str, status: int, seconds: float) -> None:
        """Add an HTTP request that was answered with a status."""
        count, observe = self._of_request(operation, status)
        count()
        observe(seconds)


def series_name(metric: Metric) -> str:
    """Return a metric's name in Prometheus: "labelling_uploads_created" for UploadsCreated."""
    return PREFIX + re.sub(r"(?<!^)(?=[A-Z])", "_", metric.value).lower()
