"""Signed URLs of the embedded service."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.storage.signed_url import RequestExpired, SignatureDoesNotMatch, UrlSigner
from tests.support.blobs import NOON

SIGNER = UrlSigner(b"secret", "http://localhost:8080/")
KEY = "originals/anna/01ARYZ"
TERMS = {"content-type": "image/jpeg", "max-bytes": 15_000_000}
UNTIL = NOON + timedelta(minutes=15)
PLAIN = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


def signed(key: str = KEY, method: str = "PUT") -> tuple[str, dict[str, str]]:
    """Return the key and query of a signed URL, as a server parses them."""
    parts = urlsplit(SIGNER.sign(method, key, UNTIL, TERMS))
    return unquote(parts.path).removeprefix("/"), dict(parse_qsl(parts.query))


def test_url_has_its_base_and_terms() -> None:
    """With one slash between; the expiry is in whole seconds."""
    url = SIGNER.sign("PUT", KEY, UNTIL, TERMS)
    assert url.startswith(f"http://localhost:8080/{KEY}?content-type=image%2Fjpeg&")
    assert f"&expires={int(UNTIL.timestamp())}&" in url


def test_signed_url_is_valid_until_it_expires() -> None:
    """To the second."""
    key, query = signed()
    end = UNTIL.replace(microsecond=0)
    SIGNER.check("PUT", key, query, NOON)
    SIGNER.check("PUT", key, query, end - timedelta(milliseconds=1))
    with pytest.raises(RequestExpired, match="renewUpload"):
        SIGNER.check("PUT", key, query, end)


@given(PLAIN, st.dictionaries(PLAIN.filter(lambda n: n not in ("expires", "signature")), PLAIN))
def test_any_key_and_terms_are_valid(key: str, terms: dict[str, str]) -> None:
    """Spaces, pluses, per cent signs and non-ASCII characters, after a server decoded them."""
    parts = urlsplit(SIGNER.sign("GET", key, UNTIL, terms))
    SIGNER.check("GET", unquote(parts.path)[1:], dict(parse_qsl(parts.query)), NOON)


@pytest.mark.parametrize("name", ["content-type", "max-bytes", "expires", "signature"])
@pytest.mark.parametrize("change", ["changed", "removed"])
def test_changed_or_missing_term_is_refused(name: str, change: str) -> None:
    key, query = signed()
    if change == "changed":
        query[name] += "0"
    else:
        del query[name]
    with pytest.raises(SignatureDoesNotMatch, match="exactly as the service returned it"):
        SIGNER.check("PUT", key, query, NOON)


@pytest.mark.parametrize(
    ("method", "key", "more"),
    [
        ("GET", KEY, {}),
        ("PUT", KEY + "X", {}),
        ("PUT", KEY.replace("anna", "bert"), {}),
        ("PUT", KEY, {"content-length": "1"}),
        ("PUT", KEY, {"signature": "ünicode"}),
        ("PUT", KEY, {"signature": "\udc80"}),
        ("PUT", KEY, {"signature": ""}),
    ],
)
def test_other_requests_are_refused(method: str, key: str, more: dict[str, str]) -> None:
    """Another method, another key, an added term, an invalid signature."""
    _, query = signed()
    with pytest.raises(SignatureDoesNotMatch):
        SIGNER.check(method, key, {**query, **more}, NOON)


def test_signature_of_another_secret_is_refused() -> None:
    """Before the expiry is checked: an expired forgery is a forgery."""
    key, query = signed()
    with pytest.raises(SignatureDoesNotMatch):
        UrlSigner(b"other", "http://localhost:8080").check("PUT", key, query, UNTIL)


def test_first_of_several_secrets_signs_and_all_verify() -> None:
    secrets = [b"new", b"secret"]
    signer = UrlSigner(lambda: secrets, "http://localhost:8080")
    key, query = signed()
    signer.check("PUT", key, query, NOON)
    made = urlsplit(signer.sign("PUT", KEY, UNTIL, {}))
    path, fresh = unquote(made.path).removeprefix("/"), dict(parse_qsl(made.query))
    UrlSigner(b"new", "http://localhost:8080").check("PUT", path, fresh, NOON)
    with pytest.raises(SignatureDoesNotMatch):
        SIGNER.check("PUT", path, fresh, NOON)
    secrets.pop()
    with pytest.raises(SignatureDoesNotMatch):
        signer.check("PUT", key, query, NOON)
