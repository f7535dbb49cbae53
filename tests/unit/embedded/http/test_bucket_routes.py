"""Uploads and downloads by signed URL, with the bytes in a bucket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import pytest

from api.rest.app import create_app
from core.domain.blob import Blob, BlobStatus, expire
from core.domain.errors import ObjectNotFound, Unavailable
from core.storage.base import UploadTerms
from core.storage.bucket import BucketStorage
from core.storage.disk_reserve import DiskReserve
from core.storage.s3 import S3Storage
from embedded.http.object_routes import ObjectRoutes
from tests.support.aws.s3_and_sqs import mocked_aws
from tests.support.blobs import labelled, uploaded
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import MAX_UPLOAD, EmbeddedStores
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.slow

PICTURE = b"\xff\xd8\xff" + bytes(range(256)) * 40


class Bucket(S3Storage):
    """A bucket that calls `before` and `after` around each upload."""

    def __init__(self, client: Any, name: str) -> None:
        super().__init__(client, name, prefix="labels/")
        self.before: Any = lambda: None
        self.after: Any = lambda: None

    def upload(self, key: str, stream: BinaryIO) -> None:
        self.before()
        super().upload(key, stream)
        self.after()


@dataclass
class Routes:
    """The object routes over a bucket, and one blob that awaits its bytes."""

    stores: EmbeddedStores
    storage: BucketStorage
    bucket: Bucket
    client: AppClient
    blob: Blob

    def put(self, content: bytes = PICTURE) -> httpx.Response:
        terms = UploadTerms(self.blob.content_type.value, MAX_UPLOAD)
        target = self.storage.presign_put(self.blob.key, terms, now=self.stores.clock())
        return self.client.put(target.url, content=content, headers=dict(target.headers))

    def get(self, method: str = "GET", **headers: str) -> httpx.Response:
        url = self.storage.presign_get(self.blob.key, "image/jpeg", now=self.stores.clock())
        return self.client.request(method, url, headers=headers)

    def is_stored(self) -> bool:
        return list(self.bucket.keys("originals/")) == [self.blob.key]

    def temporary(self) -> list[Path]:
        return list((self.stores.root / ".incoming").glob("*"))


@pytest.fixture
def routes(stores: EmbeddedStores) -> Iterator[Routes]:
    with mocked_aws() as aws:
        bucket = Bucket(aws.s3, aws.bucket())
        storage = BucketStorage(stores.root, stores.signer, bucket)
        objects = ObjectRoutes(
            stores.database,
            stores.blobs,
            storage,
            stores.queue(),
            stores.signer,
            stores.clock,
            DiskReserve(stores.root, 1000, lambda _: 10**9),
        )
        app = create_app(stores.services("anna"))
        app.router.routes.extend(objects.routes())
        with AppClient(app) as client:
            yield Routes(stores, storage, bucket, client, stores.awaiting("anna"))


def test_upload_is_in_the_bucket_when_the_answer_is_200(routes: Routes) -> None:
    assert routes.put().status_code == 200
    assert routes.is_stored()
    received = routes.stores.now(routes.blob)
    assert (received.status, received.size) == (BlobStatus.LABELLING, len(PICTURE))
    assert routes.stores.queue().depth() == 1
    assert routes.temporary() == []


def test_download_sends_the_bytes_of_the_bucket(routes: Routes) -> None:
    """Whole, a part, or none; no copy stays on the disk."""
    routes.put()
    whole, part, head = routes.get(), routes.get(range="bytes=1-3"), routes.get("HEAD")
    assert (whole.status_code, whole.content) == (200, PICTURE)
    assert whole.headers["content-type"] == "image/jpeg"
    assert (part.status_code, part.content) == (206, PICTURE[1:4])
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(PICTURE)))
    assert routes.temporary() == []


def test_bytes_that_are_gone_are_not_found(routes: Routes) -> None:
    routes.put()
    routes.storage.delete(routes.blob.key)
    assert routes.get().status_code == 404


def test_upload_can_be_sent_again_after_the_bucket_was_out_of_reach(routes: Routes) -> None:
    def refuse() -> None:
        raise Unavailable("The bucket does not answer.")

    routes.bucket.before = refuse
    assert routes.put().status_code == 503
    assert routes.stores.now(routes.blob) == routes.blob
    routes.bucket.before = lambda: None
    assert routes.put().status_code == 200
    assert routes.is_stored()


def test_of_two_uploads_at_once_the_bytes_of_the_first_stay(routes: Routes) -> None:
    """The second waits for the first, and is refused before it reaches the bucket."""
    entered, go = threading.Event(), threading.Event()
    uploads: list[str] = []

    def wait() -> None:
        uploads.append("begun")
        entered.set()
        assert go.wait(PATIENCE)

    routes.bucket.before = wait
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(routes.put)
        assert entered.wait(PATIENCE)
        second = threads.submit(routes.put, b"other bytes")
        go.set()
        assert (first.result().status_code, second.result().status_code) == (200, 409)
    assert uploads == ["begun"]
    with routes.storage.open(routes.blob.key) as stream:
        assert stream.read() == PICTURE


@pytest.mark.parametrize(("change", "status"), [("deleted", 404), ("expired", 409)])
def test_upload_of_a_blob_that_ended_meanwhile_leaves_no_bytes(
    routes: Routes, change: str, status: int
) -> None:
    def end() -> None:
        now = routes.stores.clock()
        if change == "deleted":
            routes.stores.blobs.delete(routes.blob, now)
        else:
            routes.stores.blobs.save(expire(routes.blob, now), routes.blob)

    routes.bucket.after = end
    assert routes.put().status_code == status
    with pytest.raises(ObjectNotFound):
        routes.storage.size(routes.blob.key)
    assert routes.stores.queue().depth() == 0


def test_upload_of_a_blob_that_was_labelled_meanwhile_deletes_no_bytes(routes: Routes) -> None:
    """Maintenance labels a blob that has waited for long by the bytes that it finds."""

    def find() -> None:
        received = uploaded(routes.blob, routes.stores.clock())
        routes.stores.blobs.save(received, routes.blob)
        routes.stores.blobs.save(labelled(received, ("Cat", 90.0)), received)

    routes.bucket.after = find
    assert routes.put().status_code == 409
    assert routes.get().content == PICTURE
