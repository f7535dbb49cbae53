"""The contract of every object storage."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest

from core.domain.errors import InvalidValue, ObjectNotFound
from core.storage.base import ObjectStorage, UploadTerms
from tests.support.blobs import NOON

KEY = "originals/anna/01ARYZ"
ODD_KEYS = [
    "originals/o wner/a b",
    "originals/a+b/c++",
    "originals/müller/☃.jpg",
    "originals/100%/a%20b%2Fc",
    "inbox/anna/.hidden",
    "originals/a:b*c?d\"e<f>g|h/i\\j'k",
    "originals/anna/~",
    "x",
]


@pytest.mark.parametrize("key", [KEY, *ODD_KEYS])
def test_bytes_are_read_as_they_were_stored(storage: ObjectStorage, key: str) -> None:
    """Keys may have any characters."""
    storage.put(key, b"bytes")
    with storage.open(key) as stream:
        assert stream.read() == b"bytes"
    assert storage.size(key) == 5


def test_keys_do_not_share_bytes(storage: ObjectStorage) -> None:
    """However similar, escaped or not."""
    keys = [KEY, *ODD_KEYS, "originals/a b/c++", "originals/100%25/a%20b%2Fc", "originals/100%/a b"]
    for key in keys:
        storage.put(key, key.encode())
    for key in keys:
        with storage.open(key) as stream:
            assert stream.read() == key.encode()


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 500_000])
def test_every_byte_is_stored(storage: ObjectStorage, content: bytes) -> None:
    """None, or a million."""
    storage.put(KEY, content)
    assert storage.size(KEY) == len(content)
    with storage.open(KEY) as stream:
        assert stream.read() == content


def test_stream_is_seekable(storage: ObjectStorage) -> None:
    """Image decoders need that."""
    storage.put(KEY, b"0123456789")
    with storage.open(KEY) as stream:
        assert stream.seek(-3, io.SEEK_END) == 7
        assert stream.read(2) == b"78"
        stream.seek(0)
        assert stream.read(2) == b"01"


def test_second_put_replaces_the_bytes(storage: ObjectStorage) -> None:
    """Completely, even while a reader has them open."""
    storage.put(KEY, b"first, and longer")
    with storage.open(KEY) as reader:
        storage.put(KEY, b"second")
        assert reader.read() == b"first, and longer"
    assert storage.size(KEY) == 6
    with storage.open(KEY) as stream:
        assert stream.read() == b"second"


def test_missing_object_is_not_found(storage: ObjectStorage) -> None:
    """Nor is a prefix of another key."""
    storage.put(KEY, b"bytes")
    for key in ("originals/anna/other", "originals/bert/01ARYZ", KEY + "X"):
        with pytest.raises(ObjectNotFound, match=key):
            storage.open(key)
        with pytest.raises(ObjectNotFound, match=key):
            storage.size(key)


def test_deleted_bytes_are_not_found(storage: ObjectStorage) -> None:
    """Deleting again changes nothing, and other objects stay."""
    storage.put(KEY, b"bytes")
    storage.put(KEY + "2", b"other")
    storage.delete(KEY)
    storage.delete(KEY)
    with pytest.raises(ObjectNotFound):
        storage.open(KEY)
    assert storage.size(KEY + "2") == 5
    storage.put(KEY, b"again")
    assert storage.size(KEY) == 5


@pytest.mark.parametrize(
    "key", ["..", "../x", "originals/../../x", "originals/./x", "originals//x", "/etc/passwd", "x/"]
)
@pytest.mark.parametrize("call", ["put", "open", "size", "delete"])
def test_key_with_dots_is_refused(storage: ObjectStorage, call: str, key: str) -> None:
    """By every call, and no file changes."""
    with pytest.raises(InvalidValue, match="not an object key"):
        getattr(storage, call)(*((key, b"bytes") if call == "put" else (key,)))


def test_upload_url_has_its_terms(storage: ObjectStorage) -> None:
    """The headers are those of the terms, and perhaps one that prevents a second upload."""
    plain = storage.presign_put(KEY, UploadTerms("image/png", 1000), now=NOON)
    assert (plain.method, plain.max_bytes) == ("PUT", 1000)
    only_once = {"If-None-Match": "*"} if "If-None-Match" in dict(plain.headers) else {}
    assert dict(plain.headers) == {"Content-Type": "image/png", **only_once}
    assert NOON < plain.expires_at <= NOON + timedelta(hours=1)
    full = storage.presign_put(KEY, UploadTerms("image/png", 1000, 5, "c2hh"), now=NOON)
    assert dict(full.headers) == {
        "Content-Type": "image/png",
        "x-amz-checksum-sha256": "c2hh",
        **only_once,
    }
    assert full.url != plain.url


def test_urls_differ_by_key_and_content_type(storage: ObjectStorage) -> None:
    """Each URL is for one object."""
    urls = {
        storage.presign_get(KEY, "image/png", now=NOON),
        storage.presign_get(KEY, "image/jpeg", now=NOON),
        storage.presign_get(KEY + "2", "image/png", now=NOON),
        storage.presign_put(KEY, UploadTerms("image/png", 1000), now=NOON).url,
    }
    assert len(urls) == 4
