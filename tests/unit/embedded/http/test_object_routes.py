"""Uploads and downloads by signed URL, through the real application."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import sqlite3
import struct
import threading
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from opentelemetry.trace import StatusCode

from api.rest.app import create_app
from core.domain.blob import Blob, BlobStatus, ImageType
from core.domain.edits import set_facts
from core.domain.errors import Unavailable
from core.domain.facts import Facts, metadata_of
from core.queues.sqlite import SqliteQueue
from core.runtime.tracing import Tracer, no_tracer
from core.storage.base import UploadTarget, UploadTerms
from core.storage.disk_reserve import DiskReserve
from core.storage.signed_url import UrlSigner
from embedded.concurrency import Concurrency
from embedded.http.concurrency import LimitConcurrency
from embedded.http.connection_limits import DEFAULT_LIMITS, ConnectionLimits
from embedded.http.object_routes import NO_SPACE, NOT_STORED, ObjectRoutes
from embedded.serve import server_options
from embedded.settings import Settings
from labeller.s3_event import Upload, uploads_in_message
from tests.support.app_client import AppClient
from tests.support.embedded_stores import MAX_UPLOAD, EmbeddedStores
from tests.support.spans import TRACEPARENT, Spans, parent_of
from tests.support.waiting import PATIENCE, wait_until

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


@pytest.fixture
def routes(stores: EmbeddedStores) -> Routes:
    return Routes(stores)


def refused(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"code", "message"}
    assert body["message"]
    return answer.status_code, body["code"]


# Accepted requests


def test_put_stores_file_record_and_message_before_200(routes: Routes) -> None:
    """The response repeats the digest, as S3 does."""
    answer = routes.put()
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers[CHECKSUM] == sha256(PICTURE)
    routes.assert_kept()


def test_put_with_signed_length_and_digest_is_accepted(routes: Routes) -> None:
    target = routes.target(size=len(PICTURE), sha256=sha256(PICTURE))
    assert dict(target.headers)[CHECKSUM] == sha256(PICTURE)
    assert routes.put(target).status_code == 200
    routes.assert_kept()


@pytest.mark.parametrize("spelling", ["image/jpeg", "IMAGE/JPEG", " image/jpeg "])
def test_media_type_is_case_insensitive(routes: Routes, spelling: str) -> None:
    """RFC 9110, 8.3.1."""
    assert routes.put(content_type=spelling).status_code == 200


def test_unsigned_digest_is_accepted_and_checked(routes: Routes) -> None:
    assert routes.put(x_amz_checksum_sha256=sha256(PICTURE)).status_code == 200
    routes.assert_kept()


@pytest.mark.parametrize("size", [1, 65_536, 65_537])
def test_size_up_to_the_limit_is_accepted(routes: Routes, size: int) -> None:
    """The limit included."""
    content = b"x" * size
    assert routes.put(routes.target(max_bytes=size), content).status_code == 200
    routes.assert_kept(content)


def test_body_may_arrive_in_pieces(routes: Routes) -> None:
    """Empty ones too."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(PICTURE), 1000):
            yield PICTURE[start : start + 1000]
            yield b""

    assert routes.put(content=pieces(), content_length=str(len(PICTURE))).status_code == 200
    routes.assert_kept()


def test_owner_names_survive_url_file_name_and_event(
    stores: EmbeddedStores, routes: Routes
) -> None:
    """Spaces, percent signs and letters beyond ASCII."""
    routes.blob = stores.awaiting("Zoë + Söhne 100% %2B")
    assert routes.put().status_code == 200
    routes.assert_kept()


def test_url_works_until_it_expires(routes: Routes) -> None:
    """To the second."""
    target = routes.target()
    routes.stores.clock.advance(timedelta(minutes=14, seconds=59))
    assert routes.put(target).status_code == 200


# Rejected requests


def test_expired_url_is_rejected(routes: Routes) -> None:
    """The message says how to get a new one."""
    target = routes.target()
    routes.stores.clock.advance(timedelta(minutes=15))
    answer = routes.put(target)
    assert refused(answer) == (403, "AccessDenied")
    assert "renewUpload" in answer.json()["message"]
    routes.assert_nothing_happened()


def changed(url: str, change: Callable[[dict[str, str]], Any]) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    change(query)
    return parts._replace(query=urlencode(query)).geturl()


@pytest.mark.parametrize(
    "change",
    [
        lambda query: query.update({"max-bytes": "999999999"}),
        lambda query: query.update({"expires": "9999999999"}),
        lambda query: query.update({"expires": "soon"}),
        lambda query: query.update({"content-type": "text/html"}),
        lambda query: query.update({"content-length": "5"}),
        lambda query: query.update({"extra": "1"}),
        lambda query: query.update({"signature": "0" * 64}),
        lambda query: query.update({"signature": ""}),
        lambda query: query.update({"signature": "é"}),
        lambda query: query.update({"signature": query["signature"].upper()}),
        lambda query: query.update({"signature": query["signature"][:-1]}),
        lambda query: query.pop("signature"),
        lambda query: query.pop("expires"),
        lambda query: query.pop("max-bytes"),
        lambda query: query.clear(),
    ],
    ids=range(15),
)
def test_changed_query_is_rejected(routes: Routes, change: Callable[[dict[str, str]], Any]) -> None:
    """The signature covers every parameter."""
    target = routes.target()
    url = changed(target.url, change)
    with AppClient(routes.app) as client:
        answer = client.put(url, content=PICTURE, headers=dict(target.headers))
    assert refused(answer) == (403, "SignatureDoesNotMatch")
    routes.assert_nothing_happened()


def test_signed_length_or_digest_cannot_be_removed(routes: Routes) -> None:
    """Nor can a parameter be given twice."""
    target = routes.target(size=5, sha256=sha256(b"bytes"))
    urls = [
        changed(target.url, lambda query: query.pop("content-length")),
        changed(target.url, lambda query: query.pop(CHECKSUM)),
        target.url + "&content-length=10243",
        target.url.replace("?", "?max-bytes=1&"),
    ]
    with AppClient(routes.app) as client:
        for url in urls[:3]:
            answer = client.put(url, content=PICTURE, headers=dict(target.headers))
            assert refused(answer) == (403, "SignatureDoesNotMatch")
        answer = client.put(urls[3], content=PICTURE, headers=dict(target.headers))
        assert answer.status_code in (400, 403)
    routes.assert_nothing_happened()


def test_url_is_valid_for_its_own_key_only(stores: EmbeddedStores, routes: Routes) -> None:
    """Neither for another blob nor for another owner."""
    target = routes.target()
    other = stores.awaiting("anna")
    foreign = stores.awaiting("boris")
    with AppClient(routes.app) as client:
        for blob in (other, foreign):
            url = target.url.replace(routes.blob.key, blob.key)
            answer = client.put(url, content=PICTURE, headers=dict(target.headers))
            assert refused(answer) == (403, "SignatureDoesNotMatch")
            assert stores.now(blob) == blob
    routes.assert_nothing_happened()


def test_url_is_valid_for_its_own_method_only(routes: Routes) -> None:
    get = routes.stores.storage.presign_get(
        routes.blob.key, "image/jpeg", now=routes.stores.clock()
    )
    with AppClient(routes.app) as client:
        answer = client.put(get, content=PICTURE, headers={"content-type": "image/jpeg"})
        assert refused(answer) == (403, "SignatureDoesNotMatch")
        assert refused(client.get(routes.target().url)) == (403, "SignatureDoesNotMatch")
        assert client.post(routes.target().url, content=PICTURE).status_code == 405
        assert client.request("DELETE", routes.target().url).status_code == 405
    routes.assert_nothing_happened()


def test_url_signed_with_another_secret_is_rejected(routes: Routes) -> None:

    terms = {"content-type": "image/jpeg", "max-bytes": 10**9}
    ends = routes.stores.clock() + timedelta(minutes=5)
    url = UrlSigner(b"guess", "http://testserver").sign("PUT", routes.blob.key, ends, terms)
    with AppClient(routes.app) as client:
        answer = client.put(url, content=PICTURE, headers={"content-type": "image/jpeg"})
    assert refused(answer) == (403, "SignatureDoesNotMatch")
    routes.assert_nothing_happened()


@pytest.mark.parametrize("content_type", ["image/png", "text/html", "image/jpeg; q=1", "", None])
def test_other_content_type_is_rejected(routes: Routes, content_type: str | None) -> None:
    """415; the message has the right one."""
    answer = routes.put(content_type=content_type)
    assert refused(answer) == (415, "ContentTypeMismatch")
    assert "image/jpeg" in answer.json()["message"]
    routes.assert_nothing_happened()


@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "aws-chunked", "identity, gzip", ""])
def test_encoded_body_is_rejected(routes: Routes, coding: str) -> None:
    """415: it would be stored as it came, and be no image."""
    answer = routes.put(content_encoding=coding)
    assert refused(answer) == (415, "UnsupportedContentEncoding")
    assert "without this header" in answer.json()["message"]
    routes.assert_nothing_happened()


def test_identity_is_no_encoding(routes: Routes) -> None:
    assert routes.put(content_encoding="identity").status_code == 200
    routes.assert_kept()


def test_partial_upload_is_rejected(routes: Routes) -> None:
    """400 (RFC 9110, 9.3.4): the part would be stored as the whole."""
    answer = routes.put(content_range=f"bytes 0-{len(PICTURE) - 1}/{2 * len(PICTURE)}")
    assert refused(answer) == (400, "PartialUpload")
    assert "Send the whole image" in answer.json()["message"]
    routes.assert_nothing_happened()


def test_body_of_unknown_length_is_rejected(routes: Routes) -> None:
    """411. S3 does not accept chunked bodies either."""

    async def pieces() -> AsyncIterator[bytes]:
        yield PICTURE

    assert refused(routes.put(content=pieces())) == (411, "MissingContentLength")
    routes.assert_nothing_happened()


@pytest.mark.parametrize("length", ["", "-5", "1e3", "0x10", "five", "+5", b"\xb2"])
def test_content_length_that_is_no_number_is_rejected(routes: Routes, length: str | bytes) -> None:
    """Like a missing one."""
    assert refused(routes.put(content_length=length)) == (411, "MissingContentLength")
    routes.assert_nothing_happened()


def test_body_over_the_limit_is_rejected_before_it_is_read(routes: Routes) -> None:
    """413 because of Content-Length."""

    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("read")
        yield b""

    answer = routes.put(content=never(), content_length=str(MAX_UPLOAD + 1))
    assert refused(answer) == (413, "EntityTooLarge")
    assert str(MAX_UPLOAD) in answer.json()["message"]
    routes.assert_nothing_happened()


def test_empty_body_is_rejected(routes: Routes) -> None:
    """With an error of its own."""
    assert refused(routes.put(content=b"")) == (400, "EmptyBody")
    routes.assert_nothing_happened()


def test_length_other_than_signed_is_rejected(routes: Routes) -> None:
    answer = routes.put(routes.target(size=5))
    assert refused(answer) == (400, "ContentLengthMismatch")
    routes.assert_nothing_happened()


@pytest.mark.parametrize("difference", [-1, 1, 5000])
def test_body_shorter_or_longer_than_content_length_is_rejected(
    routes: Routes, difference: int
) -> None:
    answer = routes.put(content_length=str(len(PICTURE) + difference))
    assert refused(answer) == (400, "IncompleteBody")
    routes.assert_nothing_happened()


@pytest.mark.parametrize("header", [None, "", sha256(b"other")])
def test_signed_digest_must_be_sent_as_header(routes: Routes, header: str | None) -> None:
    """As on S3."""
    answer = routes.put(routes.target(sha256=sha256(PICTURE)), x_amz_checksum_sha256=header)
    assert refused(answer) == (400, "ChecksumMismatch")
    routes.assert_nothing_happened()


def test_bytes_with_another_digest_than_signed_are_rejected(routes: Routes) -> None:
    """BadDigest; the message has the digest of the received bytes."""
    answer = routes.put(routes.target(sha256=sha256(b"other")))
    assert refused(answer) == (400, "BadDigest")
    assert sha256(PICTURE) in answer.json()["message"]
    routes.assert_nothing_happened()


def test_bytes_with_another_digest_than_the_header_are_rejected(routes: Routes) -> None:
    """Although the digest was not required."""
    answer = routes.put(x_amz_checksum_sha256=sha256(b"other"))
    assert refused(answer) == (400, "BadDigest")
    routes.assert_nothing_happened()


def test_put_to_a_missing_blob_is_rejected(stores: EmbeddedStores, routes: Routes) -> None:
    """The signature is valid, but the record is deleted or another owner's."""
    absent = stores.signer
    ends = stores.clock() + timedelta(minutes=5)
    terms = {"content-type": "image/jpeg", "max-bytes": 10**6}
    with AppClient(routes.app) as client:
        for key in ("originals/anna/absent", f"originals/boris/{routes.blob.id}"):
            url = absent.sign("PUT", key, ends, terms)
            answer = client.put(url, content=PICTURE, headers={"content-type": "image/jpeg"})
            assert refused(answer) == (404, "NoSuchKey")
    routes.assert_nothing_happened()


def test_blob_deleted_during_its_put_stores_nothing(routes: Routes) -> None:
    """The URL is still valid. No bytes stay, and nothing is queued."""
    target = routes.target()

    async def pieces() -> AsyncIterator[bytes]:
        yield PICTURE[:1000]
        routes.stores.blobs.delete(routes.blob, routes.stores.clock())
        yield PICTURE[1000:]

    for content in (pieces(), PICTURE):
        answer = routes.put(target, content, content_length=str(len(PICTURE)))
        assert refused(answer) == (404, "NoSuchKey")
        assert routes.stores.incoming() == []
        assert not routes.stores.storage.path(routes.blob.key).exists()
        assert routes.uploads() == []
        assert routes.stores.blobs.get(routes.blob.id) is None


def test_facts_changed_during_a_put_are_kept(routes: Routes) -> None:
    """And the bytes are accepted."""
    facts = Facts("cat.jpg", "order-17", metadata_of([("album", "Winter")]))

    async def pieces() -> AsyncIterator[bytes]:
        yield PICTURE[:1000]
        routes.stores.saved(set_facts(routes.blob, routes.stores.clock(), facts))
        yield PICTURE[1000:]

    answer = routes.put(routes.target(), pieces(), content_length=str(len(PICTURE)))
    assert answer.status_code == 200
    blob = routes.stores.now(routes.blob)
    assert (blob.status, blob.facts) == (BlobStatus.LABELLING, facts)


def test_second_put_is_rejected(routes: Routes) -> None:
    """409, and the first image stays."""
    assert routes.put().status_code == 200
    answer = routes.put(content=b"something else")
    assert refused(answer) == (409, "AlreadyUploaded")
    routes.assert_kept()


@pytest.mark.parametrize("state", ["labelled", "failed"])
def test_put_to_a_finished_blob_is_rejected(
    stores: EmbeddedStores, routes: Routes, state: str
) -> None:
    """Even while its URL is valid."""
    blob = getattr(stores, state)()
    assert refused(routes.put(routes.target(blob))) == (409, "AlreadyUploaded")
    assert stores.now(blob) == blob


def test_put_to_an_expired_blob_is_rejected(stores: EmbeddedStores, routes: Routes) -> None:
    """The message says what to do."""
    blob = stores.expired()
    answer = routes.put(routes.target(blob))
    assert refused(answer) == (409, "BlobExpired")
    assert "new upload" in answer.json()["message"]
    assert stores.now(blob) == blob
    assert stores.incoming() == []


def test_url_works_after_a_rejected_put(routes: Routes) -> None:
    """A client may correct its request."""
    target = routes.target()
    assert routes.put(target, content_length="5").status_code == 400
    assert routes.put(target).status_code == 200
    routes.assert_kept()


def test_one_of_two_concurrent_puts_succeeds(routes: Routes) -> None:
    """The other gets 409."""
    target = routes.target()
    pictures = (PICTURE, PICTURE[::-1])

    async def both() -> list[httpx.Response]:
        together = asyncio.Barrier(2)

        async def pieces(content: bytes) -> AsyncIterator[bytes]:
            yield content[:100]
            await together.wait()
            yield content[100:]

        transport = httpx.ASGITransport(routes.app)
        async with httpx.AsyncClient(transport=transport) as client:
            return await asyncio.gather(
                *(
                    client.put(
                        target.url,
                        content=pieces(content),
                        headers={**dict(target.headers), "content-length": str(len(content))},
                    )
                    for content in pictures
                )
            )

    answers = asyncio.run(both())
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (winner,) = (n for n, answer in enumerate(answers) if answer.status_code == 200)
    routes.assert_kept(pictures[winner])


def test_unavailable_store_gives_503_and_stores_nothing(
    routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same URL works when the store does."""

    def fail(*_: object, **__: object) -> None:
        raise Unavailable("disk full")

    target = routes.target()
    with monkeypatch.context() as patch:
        patch.setattr(type(routes.queue), "send", fail)
        assert refused(routes.put(target)) == (503, "ServiceUnavailable")
    assert routes.stores.incoming() == []
    assert routes.uploads() == []
    assert routes.stores.now(routes.blob) == routes.blob
    assert routes.put(target).status_code == 200
    routes.assert_kept()


def test_full_disk_gives_507_and_stores_nothing(
    routes: Routes, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fail(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.storage.durable_files.IncomingFile.sync", fail)
    assert refused(routes.put()) == (507, "InsufficientStorage")
    routes.assert_nothing_happened()


@pytest.mark.parametrize(
    ("number", "status", "message", "cause"),
    [
        (errno.EROFS, 503, NOT_STORED, "mounted read-only"),
        (errno.EACCES, 503, NOT_STORED, "to the service's user"),
        (errno.ENOSPC, 507, NO_SPACE, "no space left"),
    ],
)
def test_uploads_to_a_broken_disk_log_one_line_that_says_what_to_do(
    routes: Routes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    status: int,
    message: str,
    cause: str,
) -> None:
    """Not a traceback for each request."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    target = routes.target()
    with monkeypatch.context() as patched:
        patched.setattr("core.storage.durable_files.os.open", fail)
        assert [routes.put(target).status_code for _ in range(3)] == [status] * 3
    (line,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert (line.message, line.exc_info) == (message, None)
    assert cause in vars(line)["error"]
    assert routes.put(target).status_code == 200


def test_put_into_the_reserve_returns_507_until_there_is_space(routes: Routes) -> None:
    target = routes.target()
    routes.free_bytes = 1000 + len(PICTURE) - 1
    assert refused(routes.put(target)) == (507, "InsufficientStorage")
    routes.assert_nothing_happened()
    routes.free_bytes += 1
    assert routes.put(target).status_code == 200
    routes.assert_kept()


# Clients that stop


Scope = dict[str, Any]
Event = dict[str, Any]


def call(app: FastAPI, target: UploadTarget, length: int, receive: Any) -> list[Event]:
    """Call the application as a server does; return the sent messages."""
    url = urlsplit(target.url)
    headers = [(name.lower().encode(), value.encode()) for name, value in target.headers]
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "http",
        "path": url.path,
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "headers": [*headers, (b"content-length", str(length).encode())],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 5),
    }
    sent: list[Event] = []

    async def send(event: Event) -> None:
        sent.append(event)

    asyncio.run(app(scope, receive, send))
    return sent


def test_large_upload_uses_little_memory(routes: Routes) -> None:
    """15 MB pass through in less than 2 MB."""

    def upload(size: int) -> int:
        routes.blob = routes.stores.awaiting("anna")
        piece = 65_536
        left = size

        async def receive() -> Event:
            nonlocal left
            now = min(left, piece)
            left -= now
            return {"type": "http.request", "body": bytes(now), "more_body": left > 0}

        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        assert call(routes.app, routes.target(), size, receive)[0]["status"] == 200
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        upload(1000)  # one-time allocations happen now
        assert upload(MAX_UPLOAD) < 2_000_000
    finally:
        tracemalloc.stop()
    assert routes.stores.storage.size(routes.blob.key) == MAX_UPLOAD


@contextmanager
def served(app: FastAPI, limits: ConnectionLimits = DEFAULT_LIMITS) -> Iterator[int]:
    """Serve on a free loopback port with a real server; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, **server_options(limits)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()
    assert not thread.is_alive()


@pytest.mark.parametrize("abrupt", [False, True], ids=["closed", "reset"])
def test_interrupted_put_stores_nothing(routes: Routes, abrupt: bool) -> None:
    """The URL works for the next try."""
    target = routes.target()
    url = urlsplit(target.url)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nhost: testserver\r\ncontent-length: 100000\r\n"
    with served(routes.app) as port:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(f"{head}content-type: image/jpeg\r\n\r\n".encode() + b"x" * 1000)
            wait_until(
                lambda: any(path.stat().st_size == 1000 for path in routes.stores.incoming())
            )
            if abrupt:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wait_until(lambda: not routes.stores.incoming())
        routes.assert_nothing_happened()
        answer = httpx.put(
            f"http://127.0.0.1:{port}{url.path}?{url.query}",
            content=PICTURE,
            headers=dict(target.headers),
        )
        assert answer.status_code == 200
    routes.assert_kept()


def test_silent_client_gets_408(routes: Routes) -> None:
    """After the limit without a byte. Nothing is stored."""
    url = urlsplit(routes.target().url)
    head = f"PUT {url.path}?{url.query} HTTP/1.1\r\nhost: testserver\r\ncontent-length: 1000\r\n"
    with (
        served(routes.app, ConnectionLimits(body_idle_seconds=0.05)) as port,
        socket.create_connection(("127.0.0.1", port), timeout=30) as client,
    ):
        client.sendall(f"{head}content-type: image/jpeg\r\n\r\nsome".encode())
        response, body = b"".join(iter(lambda: client.recv(1000), b"")).split(b"\r\n\r\n")
        assert response.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body)["code"] == "RequestTimeout"
        wait_until(lambda: not routes.stores.incoming())
    routes.assert_nothing_happened()


def test_rejection_comes_before_the_body(routes: Routes) -> None:
    """With `Expect: 100-continue`, as curl sends it, the client saves the upload."""
    url = urlsplit(routes.target().url)
    head = (
        f"PUT {url.path}?{url.query}0 HTTP/1.1\r\nhost: testserver\r\nexpect: 100-continue\r\n"
        "content-type: image/jpeg\r\ncontent-length: 10000000\r\n\r\n"
    )
    with (
        served(routes.app) as port,
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client,
    ):
        client.sendall(head.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 403 ")
    routes.assert_nothing_happened()


# Downloads


@pytest.fixture
def download(stores: EmbeddedStores, routes: Routes) -> tuple[AppClient, str]:
    assert routes.put().status_code == 200
    return AppClient(routes.app), stores.storage.presign_get(
        routes.blob.key, "image/jpeg", now=stores.clock()
    )


def test_get_returns_the_image_with_its_declared_type(download: tuple[AppClient, str]) -> None:
    """And with headers against sniffing, scripts and shared caches."""
    client, url = download
    with client:
        answer = client.get(url)
    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "private" in answer.headers["cache-control"]
    assert re.fullmatch(
        r'attachment; filename="[0-9A-Z]{26}\.jpeg"', answer.headers["content-disposition"]
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat_1.jpg", 'attachment; filename="cat_1.jpg"'),
        (
            'Straße "1";.jpg',
            (
                'attachment; filename="Stra_e__1__.jpg"; '
                "filename*=UTF-8''Stra%C3%9Fe%20%221%22%3B.jpg"
            ),
        ),
    ],
)
def test_a_download_has_the_files_name(
    stores: EmbeddedStores,
    download: tuple[AppClient, str],
    routes: Routes,
    name: str,
    expected: str,
) -> None:
    """In ASCII, and also in UTF-8 where it has other characters (RFC 6266, RFC 8187)."""
    client, _ = download
    key = routes.blob.key
    url = stores.storage.presign_get(key, "image/jpeg", name, now=stores.clock())
    with client:
        assert client.get(url).headers["content-disposition"] == expected
        forged = client.get(url.replace("file-name=", "file-name=x"))
    assert refused(forged) == (403, "SignatureDoesNotMatch")


def test_head_returns_the_headers_of_get(download: tuple[AppClient, str]) -> None:
    """With the URL signed for GET."""
    client, url = download
    with client:
        answer = client.request("HEAD", url)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(PICTURE))
    assert answer.headers["content-type"] == "image/jpeg"


def test_range_request_returns_a_part(download: tuple[AppClient, str]) -> None:
    """Ranges within the image and beyond it."""
    client, url = download
    with client:
        part = client.get(url, headers={"range": "bytes=10-19"})
        beyond = client.get(url, headers={"range": "bytes=999999-"})
    assert (part.status_code, part.content) == (206, PICTURE[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(PICTURE)}"
    assert beyond.status_code == 416


def test_changed_or_expired_download_url_is_rejected(
    stores: EmbeddedStores, download: tuple[AppClient, str]
) -> None:
    client, url = download
    html = changed(url, lambda query: query.update({"content-type": "text/html"}))
    with client:
        assert refused(client.get(html)) == (403, "SignatureDoesNotMatch")
        stores.clock.advance(timedelta(minutes=15))
        assert refused(client.get(url)) == (403, "AccessDenied")


def test_missing_bytes_are_not_found(stores: EmbeddedStores, routes: Routes) -> None:
    """404, whether they never arrived or were deleted."""
    url = stores.storage.presign_get(routes.blob.key, "image/jpeg", now=stores.clock())
    with AppClient(routes.app) as client:
        assert refused(client.get(url)) == (404, "NoSuchKey")


@pytest.mark.parametrize(
    "path",
    [
        "/originals/anna/..%2F..%2Flabelling.sqlite",
        "/originals/..%2F/labelling.sqlite",
        "/originals/%2E%2E/labelling.sqlite",
        "/originals/anna/%00",
        "/originals/anna/x%0Aforged",
    ],
)
def test_path_cannot_leave_the_folder(routes: Routes, path: str) -> None:
    """The signature is checked first."""
    with AppClient(routes.app) as client:
        for method in ("GET", "PUT"):
            assert client.request(method, path).status_code in (403, 404)


def test_url_has_the_blobs_content_type(stores: EmbeddedStores, routes: Routes) -> None:
    """A PNG is uploaded and downloaded as a PNG."""
    routes.blob = stores.awaiting("anna", content_type=ImageType.PNG)
    assert routes.put().status_code == 200
    body = {"query": "query ($id: ID!) { blob(id: $id) { downloadUrl } }"}
    with AppClient(routes.app) as client:
        asked = client.post("/graphql", json={**body, "variables": {"id": routes.blob.id}})
        answer = client.get(asked.json()["data"]["blob"]["downloadUrl"])
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == PICTURE


def test_stored_upload_is_committed(stores: EmbeddedStores, routes: Routes) -> None:
    """Another process sees it."""
    assert routes.put().status_code == 200
    path: Path = stores.root / "labelling.sqlite"
    beside = sqlite3.connect(path)
    try:
        statuses = beside.execute("SELECT status FROM blobs").fetchall()
        messages = beside.execute("SELECT count(*) FROM messages").fetchone()
    finally:
        beside.close()
    assert (statuses, messages) == ([("LABELLING",)], (1,))


def test_removed_folders_are_created_again(routes: Routes) -> None:
    """An operator may delete them while the service runs."""
    assert routes.put().status_code == 200
    shutil.rmtree(routes.stores.storage.path(routes.blob.key).parent)
    routes.blob = routes.stores.awaiting("anna")
    assert routes.put().status_code == 200
    assert routes.stores.storage.path(routes.blob.key).read_bytes() == PICTURE


# Limits of an owner


def test_owner_with_too_many_requests_in_progress_gets_503_slow_down(
    stores: EmbeddedStores, routes: Routes
) -> None:
    """For uploads and downloads, once the signature proves whose they are."""
    concurrency = Concurrency(Settings(concurrent_requests_per_owner=1))
    target = routes.target()
    unsigned = target.url.replace("signature=", "signature=0")
    download = stores.storage.presign_get(routes.blob.key, "image/jpeg", now=stores.clock())
    other = concurrency.requests.begin("192.0.2.1", "anna")
    with AppClient(LimitConcurrency(routes.app, concurrency)) as client:
        for answer in (
            client.put(target.url, content=PICTURE, headers=dict(target.headers)),
            client.get(download),
        ):
            assert refused(answer) == (503, "SlowDown")
            assert answer.headers["retry-after"] == "5"
        assert client.put(unsigned, content=PICTURE).status_code == 403
        routes.assert_nothing_happened()
        other.end()
        assert client.put(target.url, content=PICTURE, headers=dict(target.headers)).is_success
        assert client.get(download).is_success
    assert concurrency.requests.total == 0


def test_upload_is_a_span_of_its_blobs_trace(stores: EmbeddedStores) -> None:
    """One that was refused, too, and nothing of what a stranger sends."""
    spans = Spans()
    routes = Routes(stores, spans.tracer)
    blob = stores.awaiting("anna", traceparent=TRACEPARENT)
    target = routes.target(blob, sha256=sha256(PICTURE))
    assert routes.put(target, b"other").status_code == 400
    assert routes.put(target).status_code == 200
    assert routes.put(replace(target, url=target.url + "0")).status_code == 403
    refused, accepted = spans.ended("PUT")
    assert parent_of(refused) == parent_of(accepted) == TRACEPARENT
    assert refused.status.status_code is StatusCode.ERROR
    assert accepted.status.status_code is StatusCode.UNSET
    assert dict(accepted.attributes or {}) == {
        "labelling.blob.id": blob.id,
        "http.request.body.size": len(PICTURE),
    }
