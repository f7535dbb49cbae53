"""Metrics: code that measures gets a `Metrics` object, which decides what to do with values."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Metric(StrEnum):
    """The names of the metrics."""

    UPLOADS_CREATED = "UploadsCreated"
    UPLOADED_BYTES = "UploadedBytes"  # embedded only: S3 has metrics of its own
    PICTURES_LABELLED = "PicturesLabelled"
    PICTURES_FAILED = "PicturesFailed"
    LABELS_REUSED = "LabelsReused"
    DETECTION_TIME = "DetectionTime"  # milliseconds
    UPLOADS_EXPIRED = "UploadsExpired"
    WEBHOOKS_DELIVERED = "WebhooksDelivered"
    WEBHOOK_ATTEMPTS_FAILED = "WebhookAttemptsFailed"
    WEBHOOKS_GIVEN_UP = "WebhooksGivenUp"
    LIVE_MESSAGES = "LiveMessages"  # messages to subscriptions
    LIVE_CHANGES_LOST = "LiveChangesLost"
    DEPRECATED_USES = "DeprecatedUses"  # by element of the schema


class Metrics(Protocol):
    """Receives values of metrics. Several threads may call it at the same time."""

    def __call__(self, metric: Metric, value: float = 1, *, code: str = "") -> None:
        """Add a value: a count, or milliseconds for a duration.

        `code` is the failure's of PICTURES_FAILED. CloudWatch doesn't get it, because it takes
        money for each value.
        """


def no_metrics(metric: Metric, value: float = 1, *, code: str = "") -> None:
    """Ignore the value."""
