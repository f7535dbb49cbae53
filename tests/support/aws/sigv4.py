"""Presigned URLs of S3, checked as S3 does: the signature is made again and compared.

Amazon S3 API Reference: "Authenticating Requests: Using Query Parameters (AWS Signature Version
4)".
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, unquote, urlsplit

SEVEN_DAYS = 604_800


def check_presigned(method: str, url: str, headers: Mapping[str, str], secret_key: str) -> None:
    """Raise AssertionError unless this request is the one that the URL was signed for.

    `headers` are those that the client sends, with Content-Length where there is a body; Host is
    the URL's. Time is not checked.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    terms = dict(query)
    assert len(terms) == len(query), "a parameter comes twice"
    sent = {name.lower(): value for name, value in headers.items()} | {"host": parts.netloc}
    names = terms["X-Amz-SignedHeaders"].split(";")

    assert terms["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert 1 <= int(terms["X-Amz-Expires"]) <= SEVEN_DAYS
    assert re.fullmatch(r"\d{8}T\d{6}Z", terms["X-Amz-Date"])
    assert names == sorted(names), "signed headers are in no order"
    assert "host" in names
    unsigned = {name for name in sent if name.startswith("x-amz-")} - {*names}
    assert not unsigned, f"not signed: {unsigned}"
    missing = {*names} - {*sent}
    assert not missing, f"not sent: {missing}"

    _, date, region, service, end = terms["X-Amz-Credential"].rsplit("/", 4)
    assert (service, end) == ("s3", "aws4_request")
    assert terms["X-Amz-Date"].startswith(date)
    signature = terms.pop("X-Amz-Signature")
    request = "\n".join(
        [
            method,
            quote(unquote(parts.path), safe="/-_.~"),
            "&".join(
                f"{name}={value}"
                for name, value in sorted((_q(n), _q(v)) for n, v in terms.items())
            ),
            *(f"{name}:{' '.join(sent[name].split())}" for name in names),
            "",
            ";".join(names),
            "UNSIGNED-PAYLOAD",
        ]
    )
    text = "\n".join(
        [
            "AWS4-HMAC-SHA256",
            terms["X-Amz-Date"],
            f"{date}/{region}/s3/aws4_request",
            hashlib.sha256(request.encode()).hexdigest(),
        ]
    )
    key = f"AWS4{secret_key}".encode()
    for step in (date, region, "s3", "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    expected = hmac.digest(key, text.encode(), "sha256").hex()
    assert hmac.compare_digest(signature, expected), "the signature does not match"


def _q(text: str) -> str:
    return quote(text, safe="-_.~")
