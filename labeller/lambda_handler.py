"""The labeller on AWS Lambda: uploads from S3 by way of SQS, and a look for lost ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import utc_now
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.table import Table
from core.runtime import aws_lambda
from core.runtime.settings import BadSetting, read_settings, required, setting
from core.storage.base import UPLOADS_END
from core.storage.s3 import S3Storage, client_config
from labeller.detectors.base import Options
from labeller.detectors.registry import ONNX, REKOGNITION, open_chosen
from labeller.detectors.rekognition import RekognitionDetector
from labeller.handler import handle
from labeller.inbox import Inbox
from labeller.label_blob import BlobLabeller

if TYPE_CHECKING:
    from labeller.detectors.base import Detector
    from labeller.s3_event import Upload


_LAST_ONE: Final = 20.0  # seconds that are left for the blob looked at last


@dataclass(frozen=True, slots=True)
class Settings:
    """How the labeller is to run."""

    table: str = required("Name of the DynamoDB table.")
    bucket: str = required("Name of the S3 bucket of pictures.")
    detector: str = setting(
        REKOGNITION,
        "What labels pictures: rekognition, or an entry point (labelling.detectors) or "
        "package.module:factory of what the zip carries too.",
    )
    max_upload_bytes: int = setting(50_000_000, "Largest picture labelled, in bytes.", minimum=1)
    max_pixels: int = setting(100_000_000, "Most pixels a picture may have.", minimum=1)
    max_receives: int = setting(
        5, "How often a message is received before it goes to the dead letters.", minimum=1
    )
    upload_hours: float = setting(
        24, "How long a blob awaits its bytes before it expires.", minimum=0, maximum=10_000
    )
    log_level: str = setting(
        "info", "Least severity logged.", choices=("debug", "info", "warning", "error")
    )


class Uploads:
    """What is done with each upload, by where it lies in the bucket."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        blobs = DynamoBlobRepository(Table(aws_lambda.client("dynamodb"), settings.table))
        storage = S3Storage(aws_lambda.client("s3", client_config()), settings.bucket)
        self._inbox = Inbox(blobs, storage)
        self._labeller = BlobLabeller(
            blobs, storage, chosen_detector(settings), utc_now, aws_lambda.metrics
        )

    def label(self, upload: Upload) -> None:
        """Label a picture; one from the inbox becomes a blob, whose own upload follows."""
        if not self._inbox.adopt(upload):
            self._labeller.label(upload)

    def give_up(self, upload: Upload) -> None:
        """Let the blob of an upload that is tried no more end FAILED."""
        self._labeller.give_up(upload)

    def run_maintenance(self, seconds: float) -> None:
        """Clear away what deleted blobs left, and let those whose bytes never came end EXPIRED.

        For about so many seconds.
        """
        now = utc_now()
        self._labeller.clear_deleted(now - UPLOADS_END, seconds / 2)
        self._labeller.expire(now - timedelta(hours=self.settings.upload_hours), seconds / 2)


def chosen_detector(settings: Settings) -> Detector:
    """Make the detector that the settings name. Raises BadSetting, DetectorUnusable."""
    if settings.detector == ONNX:
        raise BadSetting(
            "LABELLING_DETECTOR is 'onnx', and the labeller's zip carries no onnxruntime: choose "
            "rekognition, or an entry point whose package you add to the zip (docs/detectors.md)."
        )
    limits = Options(max_pixels=settings.max_pixels, max_bytes=settings.max_upload_bytes)
    if settings.detector != REKOGNITION:
        return open_chosen(settings.detector, limits)
    return RekognitionDetector(
        aws_lambda.client("rekognition"),
        settings.bucket,
        max_pixels=limits.max_pixels,
        max_bytes=limits.max_bytes,
    )


@cache
def uploads() -> Uploads:
    """Put the labeller together, once for each container."""
    return Uploads(read_settings(Settings, os.environ, aws_lambda.PREFIX))


@aws_lambda.entry
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Take in S3 events, bare or SQS-wrapped, and the schedule."""
    known = uploads()
    if event.get("source") == "aws.events":
        known.run_maintenance(context.get_remaining_time_in_millis() / 1000 - _LAST_ONE)
        return {"batchItemFailures": []}
    return handle(event, known, last_receive=known.settings.max_receives)
