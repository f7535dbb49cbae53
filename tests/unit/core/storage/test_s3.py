"""What is specific to S3: signed URLs, ranges, copies and errors.

Signatures are verified by an implementation of Amazon's description. Objects are in moto; the
errors are stubs after the Amazon S3 API Reference.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody
from botocore.stub import Stubber

from core.domain.errors import InvalidValue, ObjectNotFound, Unavailable
from core.storage.base import UploadTarget, UploadTerms
from core.storage.s3 import S3Storage, client_config
from tests.support.aws.s3_and_sqs import (
    KEY_ID,
    REGION,
    SECRET_KEY,
    MockAws,
    client_libraries_loaded_by,
    mocked_aws,
    s3_client,
)
from tests.support.aws.sigv4 import check_presigned
from tests.support.blobs import NOON

pytestmark = pytest.mark.slow

KEY = "originals/anna/01ARYZ"
ODD_KEY = "inbox/o wner/a+b%20c/müller ☃~.jpg"
SHA256 = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
PLAIN = UploadTerms("image/png", 1000)
FULL = UploadTerms("image/png", 1000, 5, SHA256)


@pytest.fixture
def aws() -> Iterator[MockAws]:
    with mocked_aws() as aws:
        yield aws


@pytest.fixture
def storage(aws: MockAws) -> S3Storage:
    return S3Storage(aws.s3, aws.bucket())


@pytest.fixture(scope="module")
def client() -> Any:
    """A client that cannot connect: signing needs no connection."""
    return s3_client()


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def signer(client: Any) -> S3Storage:
    return S3Storage(client, "pictures")


def query_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


def sent(target: UploadTarget, size: int = 5) -> dict[str, str]:
    """Return the headers that a client sends for an upload target."""
    return {**dict(target.headers), "Content-Length": str(size), "User-Agent": "curl"}


def test_verifier_agrees_with_amazons_example() -> None:
    """The example of the page on query parameters, with its keys."""
    url = (
        "https://examplebucket.s3.amazonaws.com/test.txt"
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    check_presigned("GET", url, {}, secret)
    with pytest.raises(AssertionError, match="does not match"):
        check_presigned("PUT", url, {}, secret)


@pytest.mark.parametrize("key", [KEY, ODD_KEY])
@pytest.mark.parametrize(
    ("terms", "names"),
    [
        (PLAIN, ["content-type", "host", "if-none-match"]),
        (
            FULL,
            ["content-length", "content-type", "host", "if-none-match", "x-amz-checksum-sha256"],
        ),
        (
            UploadTerms("image/jpeg", 1000, size=0),
            ["content-length", "content-type", "host", "if-none-match"],
        ),
    ],
)
def test_upload_url_is_signed_with_every_term(
    signer: S3Storage, key: str, terms: UploadTerms, names: list[str]
) -> None:
    """For 15 minutes and one upload: S3 refuses a second one with 412."""
    target = signer.presign_put(key, terms, now=NOON)
    query = query_of(target.url)
    assert query["X-Amz-SignedHeaders"].split(";") == names
    assert query["X-Amz-Expires"] == "900"
    assert query["X-Amz-Credential"].startswith(f"{KEY_ID}/")
    assert dict(target.headers)["If-None-Match"] == "*"
    check_presigned("PUT", target.url, sent(target, terms.size or 0), SECRET_KEY)


@pytest.mark.parametrize("terms", [PLAIN, FULL])
def test_query_has_only_the_signature(signer: S3Storage, terms: UploadTerms) -> None:
    """No checksum of the client library, which the client would have to send."""
    url = signer.presign_put(KEY, terms, now=NOON).url
    assert query_of(url).keys() == {
        f"X-Amz-{name}"
        for name in ("Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature")
    }
    assert "crc" not in url.lower()
    assert "sdk" not in url.lower()


def test_url_has_the_host_of_its_region(signer: S3Storage) -> None:
    """The global host would redirect, and the signature is for one host."""
    parts = urlsplit(signer.presign_put(ODD_KEY, PLAIN, now=NOON).url)
    assert (parts.scheme, parts.netloc) == ("https", f"pictures.s3.{REGION}.amazonaws.com")
    assert unquote(parts.path) == f"/{ODD_KEY}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Content-Type", "text/html"),
        ("Content-Length", "6"),
        ("If-None-Match", '"etag"'),
        ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
    ],
)
@pytest.mark.parametrize("change", ["changed", "removed"])
def test_changed_or_missing_header_is_refused(
    signer: S3Storage, name: str, value: str, change: str
) -> None:
    target = signer.presign_put(KEY, FULL, now=NOON)
    headers = sent(target)
    if change == "changed":
        headers[name] = value
    else:
        del headers[name]
    with pytest.raises(
        AssertionError, match="does not match" if change == "changed" else name.lower()
    ):
        check_presigned("PUT", target.url, headers, SECRET_KEY)


@pytest.mark.parametrize("name", ["x-amz-acl", "x-amz-storage-class", "x-amz-tagging"])
def test_added_s3_header_is_refused(signer: S3Storage, name: str) -> None:
    target = signer.presign_put(KEY, FULL, now=NOON)
    with pytest.raises(AssertionError, match=name):
        check_presigned("PUT", target.url, {**sent(target), name: "x"}, SECRET_KEY)


def tampered(url: str, **terms: str) -> str:
    parts = urlsplit(url)
    query = {**query_of(url), **{name.replace("_", "-"): text for name, text in terms.items()}}
    return parts._replace(query=urlencode(query, quote_via=quote)).geturl()


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("GET", lambda url: url),
        ("PUT", lambda url: url.replace("anna", "bert")),
        ("PUT", lambda url: url.replace("pictures", "others")),
        ("PUT", lambda url: tampered(url, X_Amz_Expires="90000")),
        ("PUT", lambda url: tampered(url, X_Amz_SignedHeaders="host")),
        ("PUT", lambda url: tampered(url, acl="x")),
    ],
)
def test_other_requests_are_refused(
    signer: S3Storage, method: str, change: Callable[[str], str]
) -> None:
    """Another method, key or bucket, a longer life, fewer headers, one parameter more."""
    target = signer.presign_put(KEY, FULL, now=NOON)
    check_presigned("PUT", tampered(target.url), sent(target), SECRET_KEY)
    with pytest.raises(AssertionError):
        check_presigned(method, change(target.url), sent(target), SECRET_KEY)


@pytest.mark.parametrize("key", [KEY, ODD_KEY])
def test_download_url_is_signed_with_its_content_type(signer: S3Storage, key: str) -> None:
    """It needs no header except Host, so browsers can follow it."""
    url = signer.presign_get(key, "image/png", now=NOON)
    query = query_of(url)
    assert query["response-content-type"] == "image/png"
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", key.rpartition("/")[2])
    assert query["response-content-disposition"] == f'attachment; filename="{name}.png"'
    assert (query["X-Amz-SignedHeaders"], query["X-Amz-Expires"]) == ("host", "900")
    check_presigned("GET", url, {"User-Agent": "browser"}, SECRET_KEY)
    html = tampered(url, response_content_type="text/html")
    assert parse_qs(urlsplit(html).query)["response-content-type"] == ["text/html"]
    with pytest.raises(AssertionError, match="does not match"):
        check_presigned("GET", html, {}, SECRET_KEY)


def test_upload_url_is_valid_until_its_stated_expiry(signer: S3Storage) -> None:
    """S3 counts from the second of signing, by the machine's clock."""
    now = datetime.now(UTC)
    target = signer.presign_put(KEY, PLAIN, now=now)
    signed_at = datetime.strptime(query_of(target.url)["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
    assert target.expires_at <= signed_at + timedelta(seconds=900)
    assert now + timedelta(seconds=899) < target.expires_at <= now + timedelta(seconds=900)


@pytest.mark.parametrize("key", ["..", "originals/../x", "originals//x", "/x", ""])
def test_key_with_dots_is_refused(signer: S3Storage, key: str) -> None:
    """For URLs, copies and reads."""
    calls: list[Callable[[], object]] = [
        lambda: signer.presign_put(key, PLAIN, now=NOON),
        lambda: signer.presign_get(key, "image/png", now=NOON),
        lambda: signer.read_start(key, 1),
        lambda: signer.copy(key, KEY),
        lambda: signer.copy(KEY, key),
    ]
    for each in calls:
        with pytest.raises(InvalidValue, match="not an object key"):
            each()


@pytest.mark.parametrize("length", [1, 4, 10, 11, 1000])
def test_start_of_an_object_is_read(storage: S3Storage, length: int) -> None:
    """As many bytes as requested, or fewer."""
    storage.put(KEY, b"0123456789")
    assert storage.read_start(KEY, length) == b"0123456789"[:length]


def test_start_of_an_empty_object_is_empty(storage: S3Storage) -> None:
    storage.put(KEY, b"")
    assert storage.read_start(KEY, 16) == b""
    with pytest.raises(ObjectNotFound, match="other"):
        storage.read_start("originals/anna/other", 16)


def test_only_the_start_is_requested(signer: S3Storage, stub: Stubber) -> None:
    """The end of an HTTP range is inclusive."""
    body = StreamingBody(io.BytesIO(b"0123"), 4)
    request = {"Bucket": "pictures", "Key": KEY, "Range": "bytes=0-3"}
    stub.add_response("get_object", {"Body": body}, request)
    assert signer.read_start(KEY, 4) == b"0123"


def test_refused_range_means_an_empty_object(signer: S3Storage, stub: Stubber) -> None:
    """S3 may answer 416, as there is no first byte."""
    stub.add_client_error("get_object", "InvalidRange", http_status_code=416)
    assert signer.read_start(KEY, 16) == b""


@pytest.mark.parametrize("key", [KEY, ODD_KEY])
def test_copy_has_the_same_bytes(storage: S3Storage, key: str) -> None:
    """It replaces older bytes; the source stays."""
    storage.put(key, b"bytes")
    for _ in range(2):
        storage.copy(key, "originals/anna/copy")
        with storage.open("originals/anna/copy") as stream:
            assert stream.read() == b"bytes"
        storage.put("originals/anna/copy", b"others")
    assert storage.size(key) == 5


def test_copy_has_no_tags(aws: MockAws, storage: S3Storage) -> None:
    """The labeller's role may neither read nor write them."""
    aws.s3.put_object(Bucket="pictures", Key="inbox/a", Body=b"bytes", Tagging="a=b")
    storage.copy("inbox/a", KEY)
    assert aws.s3.get_object_tagging(Bucket="pictures", Key=KEY)["TagSet"] == []


def test_copy_of_a_missing_object_is_not_found(storage: S3Storage) -> None:
    """The error has the key of the source."""
    with pytest.raises(ObjectNotFound, match="inbox/a"):
        storage.copy("inbox/a", KEY)


def test_stream_outlives_the_object(storage: S3Storage) -> None:
    """It is in memory."""
    storage.put(KEY, b"0123456789")
    with storage.open(KEY) as stream:
        storage.delete(KEY)
        assert stream.read() == b"0123456789"


def call(storage: S3Storage, operation: str) -> None:
    """Return a method that makes this API call."""
    calls: dict[str, Callable[[], object]] = {
        "put_object": lambda: storage.put(KEY, b"bytes"),
        "get_object": lambda: storage.open(KEY),
        "head_object": lambda: storage.size(KEY),
        "delete_object": lambda: storage.delete(KEY),
        "copy_object": lambda: storage.copy(KEY, KEY + "2"),
        "generate_presigned_url": lambda: storage.presign_put(KEY, PLAIN, now=NOON),
    }
    calls[operation]()


OPERATIONS = ["put_object", "get_object", "head_object", "delete_object", "copy_object"]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("SlowDown", 503),
        ("InternalError", 500),
        ("AccessDenied", 403),
        ("403", 403),
        ("RequestTimeout", 400),
        ("NoSuchBucket", 404),
    ],
)
def test_error_of_s3_is_unavailable(
    signer: S3Storage, stub: Stubber, operation: str, code: str, status: int
) -> None:
    """In every call, with the client's error as its cause."""
    stub.add_client_error(operation, code, http_status_code=status)
    with pytest.raises(Unavailable, match=f"S3.*{code}") as caught:
        call(signer, operation)
    assert isinstance(caught.value.__cause__, ClientError)


@pytest.mark.parametrize(
    ("operation", "code"),
    [("get_object", "NoSuchKey"), ("head_object", "404"), ("copy_object", "NoSuchKey")],
)
def test_missing_object_is_not_found(
    signer: S3Storage, stub: Stubber, operation: str, code: str
) -> None:
    """With the client's error as its cause."""
    stub.add_client_error(operation, code, http_status_code=404)
    with pytest.raises(ObjectNotFound, match=KEY) as caught:
        call(signer, operation)
    assert isinstance(caught.value.__cause__, ClientError)


@pytest.mark.parametrize("operation", [*OPERATIONS, "generate_presigned_url"])
@pytest.mark.parametrize(
    "error", [ConnectTimeoutError(endpoint_url="https://s3"), NoCredentialsError()]
)
def test_missing_connection_is_unavailable(operation: str, error: Exception) -> None:
    """In every call; without credentials no URL can be signed."""

    class Cut:
        def __getattr__(self, _name: str) -> Any:
            def fail(*_operation: str, **_request: Any) -> None:
                raise error

            return fail

    storage = S3Storage(Cut(), "pictures")
    with pytest.raises(Unavailable) as caught:
        call(storage, operation)
    assert caught.value.__cause__ is error


class Broken(io.RawIOBase):
    """A connection that returns these bytes and then ends or fails."""

    def __init__(self, answer: bytes | Exception) -> None:
        self._answer = answer

    def read(self, _amount: int | None = None) -> bytes:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    "answer", [b"cut", ReadTimeoutError(endpoint_url="https://s3")], ids=["short", "timeout"]
)
def test_truncated_body_is_unavailable(
    signer: S3Storage, stub: Stubber, answer: bytes | Exception
) -> None:
    """A part of a picture is never taken for the whole."""
    stub.add_response("get_object", {"Body": StreamingBody(Broken(answer), 1000)})
    with pytest.raises(Unavailable):
        signer.open(KEY)


def test_client_times_out_before_the_labeller() -> None:
    """The labeller's function has a minute. The client adds no checksums."""
    config = client_config()
    tries = config.retries["total_max_attempts"]
    assert tries * (config.connect_timeout + config.read_timeout) <= 40
    assert config.request_checksum_calculation == "when_required"
    assert config.response_checksum_validation == "when_required"


def test_import_loads_no_client_library() -> None:
    assert client_libraries_loaded_by("core.storage.s3") == []
