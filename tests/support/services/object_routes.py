"""The object routes with one blob, for tests of uploads and downloads."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from fastapi import FastAPI

from api.rest.app import create_app
from core.domain.blob import Blob, BlobStatus
from core.queues.sqlite import SqliteQueue
from core.runtime.tracing import Tracer, no_tracer
from core.storage.base import UploadTarget, UploadTerms
from core.storage.disk_reserve import DiskReserve
from embedded.http.object_routes import ObjectRoutes
from labeller.s3_event import Upload, uploads_in_message
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import MAX_UPLOAD, EmbeddedStores

PICTURE = b"\xff\xd8\xff" + bytes(range(256)) * 40


CHECKSUM = "x-amz-checksum-sha256"


def sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


class Routes:
    """The object routes, one blob, and checks of the outcome."""

    def __init__(self, stores: EmbeddedStores, tracer: Tracer = no_tracer) -> None:
        self.stores = stores
        self.free_bytes = 10**9
        self.queue: SqliteQueue = stores.queue()
        self.app: FastAPI = create_app(stores.services("anna"), cors_origins=["*"])
        routes = ObjectRoutes(
            stores.database,
            stores.blobs,
            stores.storage,
            self.queue,
            stores.signer,
            stores.clock,
            DiskReserve(stores.root, 1000, lambda _: self.free_bytes),
            tracer=tracer,
        )
        self.app.router.routes.extend(routes.routes())
        self.blob = stores.awaiting("anna")

    def target(self, blob: Blob | None = None, **terms: Any) -> UploadTarget:
        """Return a signed URL for the blob."""
        blob = blob or self.blob
        given = {"content_type": blob.content_type.value, "max_bytes": MAX_UPLOAD, **terms}
        now = self.stores.clock()
        return self.stores.storage.presign_put(blob.key, UploadTerms(**given), now=now)

    def put(
        self, target: UploadTarget | None = None, content: Any = PICTURE, **changes: Any
    ) -> httpx.Response:
        """Send a PUT; `changes` are headers to set, or to leave out if None."""
        target = target or self.target()
        headers = {name.lower(): value for name, value in target.headers}
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        given = {name: value for name, value in headers.items() if value is not None}
        with AppClient(self.app) as client:
            return client.put(target.url, content=content, headers=given)

    def uploads(self) -> list[Upload]:
        """Return the messages of the queue."""
        with self.stores.database.read() as connection:
            rows = connection.execute("SELECT body FROM messages ORDER BY id").fetchall()
        return [upload for (body,) in rows for upload in uploads_in_message(body)]

    def assert_nothing_happened(self) -> None:
        """Check that no bytes, file or message are left, and the blob still waits."""
        assert self.stores.incoming() == []
        assert not self.stores.storage.path(self.blob.key).exists()
        assert self.uploads() == []
        assert self.stores.now(self.blob) == self.blob

    def assert_kept(self, content: bytes = PICTURE) -> None:
        """Check that bytes, record and message are stored, once each."""
        stores = self.stores
        assert stores.incoming() == []
        assert stores.storage.path(self.blob.key).read_bytes() == content
        received = stores.now(self.blob)
        assert received.status is BlobStatus.LABELLING
        assert (received.size, received.sha256) == (len(content), sha256(content))
        assert received.uploaded_at == stores.clock()
        (upload,) = self.uploads()
        assert (upload.bucket, upload.key) == ("originals", self.blob.key)
        assert (upload.size, upload.event_time) == (len(content), received.uploaded_at)


def refused(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"code", "message"}
    assert body["message"]
    return answer.status_code, body["code"]


def changed(url: str, change: Callable[[dict[str, str]], Any]) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    change(query)
    return parts._replace(query=urlencode(query)).geturl()
