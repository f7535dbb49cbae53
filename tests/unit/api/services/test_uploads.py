"""Creating and renewing uploads."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from api.services.uploads import (
    InvalidUpload,
    UploadRequest,
    check_request,
    create_upload,
    renew_upload,
)
from core.domain.blob import BlobStatus, ImageType
from core.domain.clock import is_id
from core.domain.errors import BlobNotFound, CallbackUrlRefused, WrongState
from core.domain.webhook_url import CallbackRules
from tests.support.services.embedded_stores import MAX_UPLOAD, EmbeddedStores

SHA256 = base64.b64encode(hashlib.sha256(b"bytes").digest()).decode()


def test_new_blob_stores_every_value_of_the_request(stores: EmbeddedStores) -> None:
    upload = UploadRequest(
        ImageType.PNG,
        size_bytes=5,
        sha256=SHA256,
        callback_url="https://example.org/hook",
        max_labels=3,
        min_confidence=70,
    )
    blob, _ = asyncio.run(create_upload(stores.services(), "anna", upload))
    assert stores.now(blob) == blob
    assert is_id(blob.id)
    assert (blob.owner, blob.status) == ("anna", BlobStatus.AWAITING_UPLOAD)
    assert blob.created_at == stores.clock()
    assert (blob.content_type, blob.declared_size, blob.declared_sha256) == (
        ImageType.PNG,
        5,
        SHA256,
    )
    assert (blob.max_labels, blob.min_confidence) == (3, 70.0)
    assert blob.callback_url == "https://example.org/hook"


def test_declared_values_are_signed_into_the_url(stores: EmbeddedStores) -> None:
    """Type, limit, size and digest are in the query and in the headers to send."""
    upload = UploadRequest(ImageType.PNG, size_bytes=5, sha256=SHA256)
    blob, target = asyncio.run(create_upload(stores.services(), "anna", upload))
    url = urlsplit(target.url)
    terms = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert url.path == f"/originals/anna/{blob.id}"
    assert (
        terms.items()
        >= {
            "content-type": "image/png",
            "max-bytes": str(MAX_UPLOAD),
            "content-length": "5",
            "x-amz-checksum-sha256": SHA256,
        }.items()
    )
    stores.signer.check("PUT", blob.key, terms, stores.clock())
    assert target.method == "PUT"
    assert dict(target.headers) == {"Content-Type": "image/png", "x-amz-checksum-sha256": SHA256}
    assert target.expires_at == stores.clock() + timedelta(minutes=15)
    assert target.max_bytes == MAX_UPLOAD


def test_undeclared_values_are_not_signed(stores: EmbeddedStores) -> None:
    """Any size up to the limit and any bytes are accepted."""
    _, target = asyncio.run(create_upload(stores.services(), "anna", UploadRequest(ImageType.JPEG)))
    assert set(parse_qs(urlsplit(target.url).query)) == {
        "content-type",
        "max-bytes",
        "expires",
        "signature",
    }
    assert dict(target.headers) == {"Content-Type": "image/jpeg"}


def test_invalid_request_stores_nothing(stores: EmbeddedStores) -> None:
    for upload in (
        UploadRequest(ImageType.JPEG, max_labels=0),
        UploadRequest(ImageType.JPEG, callback_url="ftp://example.org"),
    ):
        with pytest.raises((InvalidUpload, CallbackUrlRefused)):
            asyncio.run(create_upload(stores.services(), "anna", upload))
    assert stores.blobs.changes.read_after(0, 10) == []


@pytest.mark.parametrize(
    "upload",
    [
        UploadRequest(ImageType.JPEG, size_bytes=1),
        UploadRequest(ImageType.JPEG, size_bytes=MAX_UPLOAD),
        UploadRequest(ImageType.JPEG, sha256=SHA256),
        UploadRequest(ImageType.JPEG, max_labels=1),
        UploadRequest(ImageType.JPEG, max_labels=40),
        UploadRequest(ImageType.JPEG, min_confidence=0),
        UploadRequest(ImageType.JPEG, min_confidence=100),
    ],
)
def test_both_ends_of_each_range_are_valid(upload: UploadRequest) -> None:
    check_request(upload, MAX_UPLOAD, CallbackRules())


@pytest.mark.parametrize("min_confidence", [-0.1, 100.1, float("nan"), float("inf")])
def test_confidence_outside_0_to_100_is_rejected(min_confidence: float) -> None:
    """NaN is in no range."""
    upload = UploadRequest(ImageType.JPEG, min_confidence=min_confidence)
    with pytest.raises(InvalidUpload, match="from 0 to 100"):
        check_request(upload, MAX_UPLOAD, CallbackRules())


def test_size_can_be_required() -> None:
    """Nothing else tells S3 how many bytes to accept."""
    with pytest.raises(InvalidUpload, match=r"^sizeBytes: is required: give the size of the file$"):
        check_request(UploadRequest(ImageType.JPEG), MAX_UPLOAD, CallbackRules(), require_size=True)
    check_request(
        UploadRequest(ImageType.JPEG, size_bytes=1), MAX_UPLOAD, CallbackRules(), require_size=True
    )


def test_size_above_the_limit_is_rejected() -> None:
    """The message gives the limit."""
    with pytest.raises(InvalidUpload, match=r"from 1 to 100$"):
        check_request(UploadRequest(ImageType.JPEG, size_bytes=101), 100, CallbackRules())


def test_renewed_upload_has_the_same_terms_and_a_later_end(stores: EmbeddedStores) -> None:
    """The blob does not change."""
    upload = UploadRequest(ImageType.PNG, size_bytes=5, sha256=SHA256)
    blob, first = asyncio.run(create_upload(stores.services(), "anna", upload))
    stores.clock.advance(timedelta(hours=1))
    same, second = asyncio.run(renew_upload(stores.services(), "anna", blob.id))
    assert same == blob == stores.now(blob)
    assert second.headers == first.headers
    assert second.expires_at == first.expires_at + timedelta(hours=1)


def test_only_a_blob_that_awaits_its_bytes_is_renewed(stores: EmbeddedStores) -> None:
    """Absent and foreign blobs look alike; WrongState gives the status of others."""
    services = stores.services()
    foreign = stores.awaiting("boris")
    for blob_id in ("absent", foreign.id):
        with pytest.raises(BlobNotFound):
            asyncio.run(renew_upload(services, "anna", blob_id))
    for blob in (stores.labelling(), stores.labelled(), stores.failed(), stores.expired()):
        with pytest.raises(WrongState, match=blob.status):
            asyncio.run(renew_upload(services, "anna", blob.id))
