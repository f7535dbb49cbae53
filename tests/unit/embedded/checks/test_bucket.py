"""The check whether the bucket of originals answers."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.endpoint
import pytest

from embedded.checks.bucket import STALE_SECONDS, BucketCheck
from embedded.data.originals import choose_storage
from embedded.service import Service
from embedded.settings import Settings
from embedded.stores import Stores
from tests.support.aws.s3_and_sqs import REGION, MockAws, mocked_aws
from tests.support.images.detectors import ScriptedDetector, thumbnail_here
from tests.support.services.app_client import AppClient

pytestmark = pytest.mark.slow

ADDRESS = "s3://pictures/labels"
BASE = "http://127.0.0.1:8000"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockAws]:
    monkeypatch.setenv("AWS_REGION", REGION)
    with mocked_aws() as aws:
        aws.bucket()
        yield aws


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the operations that clients of AWS send."""
    sent: list[str] = []
    send = botocore.endpoint.Endpoint.make_request

    def counted(self: Any, operation: Any, request: Any) -> Any:
        sent.append(operation.name)
        return send(self, operation, request)

    monkeypatch.setattr(botocore.endpoint.Endpoint, "make_request", counted)
    return sent


class Ticks:
    """A monotonic clock that a test sets."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def choose(data: Path, opened: Stores) -> None:
    choose_storage(Settings(data=data, storage=ADDRESS), opened.database)


def lose_bucket(aws: MockAws) -> None:
    """Delete the bucket, with the versions of what tried it."""
    found = aws.s3.list_object_versions(Bucket="pictures")
    for each in (*found.get("Versions", ()), *found.get("DeleteMarkers", ())):
        aws.s3.delete_object(Bucket="pictures", Key=each["Key"], VersionId=each["VersionId"])
    aws.s3.delete_bucket(Bucket="pictures")


def test_folder_without_a_bucket_is_healthy_and_sends_nothing(
    opened: Stores, requests: list[str]
) -> None:
    ticks = Ticks()
    check = BucketCheck(opened.database, ticks)
    check()
    ticks.seconds = 2 * STALE_SECONDS
    assert check.health_error() is None
    assert requests == []


def test_lost_bucket_is_reported_until_it_answers(
    data: Path, opened: Stores, aws: MockAws, caplog: pytest.LogCaptureFixture
) -> None:
    choose(data, opened)
    check = BucketCheck(opened.database)
    check()
    assert check.health_error() is None
    lose_bucket(aws)
    with caplog.at_level(logging.INFO, "embedded.checks.bucket"):
        check()
        check()
        assert "NoSuchBucket" in str(check.health_error())
        aws.bucket()
        check()
        assert check.health_error() is None
    assert [record.message for record in caplog.records] == [
        "the bucket does not answer",
        "the bucket answers again",
    ]


def test_readiness_sends_no_request_and_each_check_sends_one(
    data: Path, opened: Stores, aws: MockAws, requests: list[str]
) -> None:
    choose(data, opened)
    check = BucketCheck(opened.database)
    del requests[:]
    for _ in range(100):
        check.health_error()
    assert requests == []
    lose_bucket(aws)
    del requests[:]
    check()
    assert requests == ["ListObjectsV2"]


def test_check_that_gets_no_answer_counts_as_a_failure(
    data: Path, opened: Stores, aws: MockAws
) -> None:
    choose(data, opened)
    ticks = Ticks()
    check = BucketCheck(opened.database, ticks)
    ticks.seconds = STALE_SECONDS
    assert check.health_error() is None
    ticks.seconds += 1
    assert check.health_error() == "The bucket has not answered for 61 s. Check the network."
    check()
    assert check.health_error() is None


def test_service_without_its_bucket_is_not_ready(data: Path, aws: MockAws) -> None:
    settings = Settings(data=data, storage=ADDRESS, workers=1, webhook_workers=1)
    service = Service(
        settings, ScriptedDetector(), base_url=BASE, keyless=True, make_thumbnail=thumbnail_here
    )
    try:
        with AppClient(service.app, BASE) as client:
            service._bucket()
            assert client.get("/readyz").json()["checks"]["bucket"] == "ok"
            lose_bucket(aws)
            service._bucket()
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert "NoSuchBucket" in answer.json()["checks"]["bucket"]
            metrics = client.get("/metrics").text
            assert 'labelling_ready{check="bucket"} 0.0' in metrics
    finally:
        service.stores.database.close()
        os.close(service._lock)


def test_readiness_shows_no_address_of_the_bucket(
    opened: Stores, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody may read it. The log has the address."""
    with opened.database.write() as connection:
        address = "s3://private-bucket/labels?endpoint=http://127.0.0.1:9"
        connection.execute("INSERT INTO facts VALUES ('storage', ?)", (address,))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    check = BucketCheck(opened.database)
    check()
    error = check.health_error() or ""
    assert error.startswith("The bucket does not answer (EndpointConnectionError).")
    assert "127.0.0.1" not in error
    assert "private-bucket" not in error
    assert "127.0.0.1:9/private-bucket" in str(vars(caplog.records[-1]))
