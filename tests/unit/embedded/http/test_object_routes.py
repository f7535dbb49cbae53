"""Uploads by signed URL, through the real application."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from opentelemetry.trace import StatusCode

from core.domain.blob import BlobStatus
from core.domain.edits import set_facts
from core.domain.errors import Unavailable
from core.domain.facts import Facts, metadata_of
from embedded.http.concurrency import LimitConcurrency
from embedded.http.object_routes import NO_SPACE, NOT_STORED
from embedded.limits.concurrency import Concurrency
from embedded.settings import Settings
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import MAX_UPLOAD, EmbeddedStores
from tests.support.services.object_routes import CHECKSUM, PICTURE, Routes, refused, sha256
from tests.support.spans import TRACEPARENT, Spans, parent_of


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
