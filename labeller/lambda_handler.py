"""The labeller on AWS Lambda: handles uploads from S3 through SQS, and the maintenance."""

from __future__ import annotations

import os
import time
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.table import Table
from core.runtime import aws_lambda
from core.runtime.settings import BadSetting, read_settings, required, setting
from core.runtime.trace_settings import endpoint_setting
from core.storage.base import MAX_UPLOAD_TIME
from core.storage.s3 import S3Storage, client_config
from labeller.detectors.base import Options
from labeller.detectors.registry import ONNX, REKOGNITION, create_detector
from labeller.detectors.rekognition import RekognitionDetector
from labeller.expiry import BlobExpiry
from labeller.handler import handle
from labeller.inbox import Inbox
from labeller.label_blob import BlobLabeller
from labeller.policy_run import PolicyRun
from labeller.traced import traced_detector, traced_labeller

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labeller.detectors.base import Detector
    from labeller.handler import Handled, Run
    from labeller.s3_event import Upload


MAX_THREADS: Final = 10  # the largest batch that an event source mapping of SQS gives at once
_LAST_BLOB_SECONDS: Final = 20.0  # reserved for the blob that the maintenance handles last


@dataclass(frozen=True, slots=True)
class Settings:
    """The labeller's settings."""

    table: str = required("Name of the DynamoDB table.")
    bucket: str = required("Name of the S3 bucket of pictures.")
    detector: str = setting(
        REKOGNITION,
        "What labels pictures: rekognition, or an entry point (labelling.detectors) or "
        "package.module:factory that you add to the zip.",
    )
    max_upload_bytes: int = setting(50_000_000, "Largest picture labelled, in bytes.", minimum=1)
    max_pixels: int = setting(100_000_000, "Most pixels a picture may have.", minimum=1)
    max_receives: int = setting(
        5, "How often a message is received before it moves to the dead letters.", minimum=1
    )
    upload_hours: float = setting(
        24, "Hours a blob waits for its bytes before it expires.", minimum=0, maximum=10_000
    )
    otlp_endpoint: str = endpoint_setting()
    log_level: str = setting(
        "info", "Lowest severity that is logged.", choices=("debug", "info", "warning", "error")
    )

    def __post_init__(self) -> None:
        """Raise BadSetting for a detector that the zip cannot hold."""
        if self.detector == ONNX:
            raise BadSetting(
                "LABELLING_DETECTOR is 'onnx', but the labeller's zip doesn't contain onnxruntime. "
                "Choose rekognition, or an entry point whose package you add to the zip: see "
                "docs/detectors.md."
            )


class UploadHandler:
    """Labels uploads, and imports those in an inbox first."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        blobs = DynamoBlobRepository(Table(aws_lambda.client("dynamodb"), settings.table))
        s3 = aws_lambda.client("s3", client_config())
        storage = S3Storage(s3, settings.bucket)
        self._apply_policies = PolicyRun(blobs, utc_now)
        self._inbox = Inbox(blobs, S3Storage(s3, settings.bucket, any_key=True))
        tracer = aws_lambda.tracer(settings.otlp_endpoint)
        detector = traced_detector(build_detector(settings), tracer)
        self._labeller = BlobLabeller(blobs, storage, detector, utc_now, aws_lambda.metrics)
        self._uploads = traced_labeller(self._labeller, blobs, tracer)
        self._expiry = BlobExpiry(blobs, storage, self._labeller, utc_now, aws_lambda.metrics)

    def label(self, upload: Upload) -> None:
        """Label a picture. One in an inbox becomes a blob, and the event of its copy follows."""
        if not self._inbox.import_upload(upload):
            self._uploads.label(upload)

    def give_up(self, upload: Upload) -> None:
        """Bring the blob of an upload that will not be retried to FAILED."""
        self._labeller.give_up(upload)

    def run_maintenance(self, seconds: float) -> None:
        """Remove the bytes of deleted blobs, expire abandoned uploads, and apply label policies.

        It takes about `seconds` seconds at most. Policies have the time that the others leave.
        Raises Unavailable at the end if bytes could not be removed, so that an alarm reports it.
        """
        until, now = time.monotonic() + seconds, utc_now()
        failed = self._expiry.clear_deleted(now - MAX_UPLOAD_TIME, seconds / 3)
        self._expiry.expire(now - timedelta(hours=self.settings.upload_hours), seconds / 3)
        self._apply_policies(until - time.monotonic())
        if failed:
            raise Unavailable(f"Deleted blobs whose bytes remain: {failed}. The log names each.")


def build_detector(settings: Settings) -> Detector:
    """Build the detector that the settings name. Raises DetectorUnusable."""
    limits = Options(max_pixels=settings.max_pixels, max_bytes=settings.max_upload_bytes)
    if settings.detector != REKOGNITION:
        return create_detector(settings.detector, limits)
    return RekognitionDetector(
        aws_lambda.client("rekognition"),
        settings.bucket,
        max_pixels=limits.max_pixels,
        max_bytes=limits.max_bytes,
    )


@cache
def build_upload_handler() -> UploadHandler:
    """Build the labeller, once per container."""
    return UploadHandler(read_settings(Settings, os.environ, aws_lambda.PREFIX))


@cache
def build_runner(settings: Settings) -> Run:
    """Return what handles a batch of messages, once per container: threads, or one by one.

    Rekognition is waited for. A detector of another package computes here, in one thread.
    """
    if settings.detector != REKOGNITION:
        return map
    from concurrent.futures import ThreadPoolExecutor  # not during a cold start  # noqa: PLC0415

    executor = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="label")

    def run(label: Handled, messages: Iterable[Mapping[str, Any]]) -> Iterator[bool]:
        # Each thread has the log context of the invocation.
        calls = [partial(copy_context().run, label, message) for message in messages]
        return executor.map(lambda call: call(), calls)

    return run


@aws_lambda.entry
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Handle S3 events, bare or in SQS messages, and the schedule."""
    uploads = build_upload_handler()
    if event.get("source") == "aws.events":
        seconds = context.get_remaining_time_in_millis() / 1000 - _LAST_BLOB_SECONDS
        uploads.run_maintenance(seconds)
        return {"batchItemFailures": []}
    return handle(
        event,
        uploads,
        last_receive=uploads.settings.max_receives,
        run=build_runner(uploads.settings),
    )
