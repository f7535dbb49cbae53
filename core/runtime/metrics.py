"""Counting what happens: the code that does it is handed a meter, and whoever runs it reads it."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Metric(StrEnum):
    """What is counted or measured."""

    UPLOADS_CREATED = "UploadsCreated"
    PICTURES_LABELLED = "PicturesLabelled"
    PICTURES_FAILED = "PicturesFailed"
    LABELS_REUSED = "LabelsReused"
    DETECTION_TIME = "DetectionTime"  # milliseconds
    UPLOADS_EXPIRED = "UploadsExpired"
    WEBHOOKS_DELIVERED = "WebhooksDelivered"
    WEBHOOK_ATTEMPTS_FAILED = "WebhookAttemptsFailed"
    WEBHOOKS_GIVEN_UP = "WebhooksGivenUp"
    LIVE_MESSAGES = "LiveMessages"  # to subscriptions, of changes
    LIVE_CHANGES_LOST = "LiveChangesLost"


class Metrics(Protocol):
    """Takes one value of a metric. Safe to call from several threads at once."""

    def __call__(self, metric: Metric, value: float = 1) -> None:
        """Add a value: a count, or milliseconds for a time."""


def no_metrics(metric: Metric, value: float = 1) -> None:
    """Read nothing."""
