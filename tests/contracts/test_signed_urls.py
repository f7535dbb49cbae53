"""What servers of S3 that check signatures make of the URLs that `S3Storage` signs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from unittest.mock import patch

import httpx
import pytest
from botocore import auth

from core.domain.clock import utc_now
from core.domain.errors import ObjectNotFound
from core.storage.base import URL_LIFETIME, UploadTarget, UploadTerms
from core.storage.s3 import S3Storage
from tests.contracts.conftest import MINISTACK, SEAWEEDFS, bucket_of
from tests.support.aws.emulators import Emulator
from tests.support.waiting import PATIENCE

KEY = "originals/müller & söhne/01ARYZ"
CONTENT = b"the bytes of a picture"
SAME_LENGTH = b"other bytes, as many.."
TERMS = UploadTerms("image/png", 1000)
DIGEST = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
FULL_TERMS = UploadTerms("image/png", 1000, len(CONTENT), DIGEST)
Put = Callable[..., int]


@pytest.fixture(params=[MINISTACK, SEAWEEDFS])
def emulator(request: pytest.FixtureRequest) -> Emulator:
    found: Emulator = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def storage(emulator: Emulator) -> S3Storage:
    return bucket_of(emulator)


@pytest.fixture
def http(emulator: Emulator) -> Iterator[httpx.Client]:
    with httpx.Client(verify=emulator.trusted(), timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def put(http: httpx.Client) -> Put:
    """Sends bytes to a target; named headers replace those of the target. Returns the status."""

    def send(target: UploadTarget, content: bytes, **headers: str | None) -> int:
        changed = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        sent = {name.lower(): value for name, value in target.headers} | changed
        kept = {name: value for name, value in sent.items() if value is not None}
        return http.put(target.url, content=content, headers=kept).status_code

    return send


@pytest.mark.parametrize("terms", [TERMS, FULL_TERMS])
def test_upload_by_its_terms_is_stored(storage: S3Storage, put: Put, terms: UploadTerms) -> None:
    assert put(storage.presign_put(KEY, terms, now=utc_now()), CONTENT) == 200
    with storage.open(KEY) as stream:
        assert stream.read() == CONTENT


def test_second_upload_is_refused(storage: S3Storage, put: Put) -> None:
    """The first bytes stay."""
    target = storage.presign_put(KEY, TERMS, now=utc_now())
    assert put(target, CONTENT) == 200
    assert put(target, SAME_LENGTH) == 412
    with storage.open(KEY) as stream:
        assert stream.read() == CONTENT


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ({"content_type": "image/jpeg"}, CONTENT),
        ({"content_type": None}, CONTENT),
        ({"if_none_match": None}, CONTENT),
        ({"x_amz_checksum_sha256": None}, CONTENT),
        ({"x_amz_acl": "public-read"}, CONTENT),
        ({}, CONTENT + b"more"),
        ({}, CONTENT[:-1]),
        ({}, SAME_LENGTH),
    ],
    ids=["type", "no-type", "overwrite", "no-digest", "acl", "longer", "shorter", "other-bytes"],
)
def test_upload_against_its_terms_is_refused(
    storage: S3Storage, put: Put, headers: dict[str, str | None], content: bytes
) -> None:
    """Nothing is stored."""
    target = storage.presign_put(KEY, FULL_TERMS, now=utc_now())
    assert put(target, content, **headers) in {400, 403}
    with pytest.raises(ObjectNotFound):
        storage.open(KEY)


@pytest.mark.parametrize(
    ("found", "replaced"),
    [
        ("01ARYZ", "01ARYX"),
        ("X-Amz-Expires=900", "X-Amz-Expires=9000"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
        ("%3Bhost", ""),
    ],
)
def test_changed_upload_url_is_refused(
    storage: S3Storage, put: Put, found: str, replaced: str
) -> None:
    """Whatever is changed in it."""
    target = storage.presign_put(KEY, TERMS, now=utc_now())
    assert found in target.url
    changed = UploadTarget(
        "PUT",
        target.url.replace(found, replaced, 1),
        target.headers,
        target.expires_at,
        target.max_bytes,
    )
    assert put(changed, CONTENT) in {400, 403}


def test_expired_urls_are_refused(storage: S3Storage, put: Put, http: httpx.Client) -> None:
    """Of uploads and of downloads."""
    storage.put(KEY, CONTENT)
    past = utc_now() - URL_LIFETIME * 1.1
    with patch.object(auth, "get_current_datetime", lambda: past):
        upload = storage.presign_put(KEY + "2", TERMS, now=past)
        download = storage.presign_get(KEY, "image/png", now=past)
    assert put(upload, CONTENT) == 403
    assert http.get(download).status_code == 403


def test_download_url_serves_the_bytes_as_their_type(
    storage: S3Storage, http: httpx.Client
) -> None:
    """Only those of its key, and only as that type."""
    storage.put(KEY, CONTENT)
    storage.put(KEY + "2", SAME_LENGTH)
    url = storage.presign_get(KEY, "image/png", now=utc_now())
    answer = http.get(url)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert http.get(url.replace("01ARYZ", "01ARYZ2", 1)).status_code == 403
    assert http.get(url.replace("image%2Fpng", "text%2Fhtml")).status_code == 403
    assert http.put(url, content=CONTENT).status_code == 403
