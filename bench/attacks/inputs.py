"""Values at the edges of scalars, and requests that two readers could understand differently."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import httpx

from bench.attacks.target import SECONDS, Row, Target, received, status_of

DIGITS = "9" * 48_000
NUMBERS = (DIGITS, f"-{DIGITS}", "1e400", "-1e400", "1e-400", "2147483648", "0.1", "true", '"5"')
DATES = (
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z"),
    *("2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-W01-1", "20260101T000000Z"),
    *(f"2026-01-01T00:00:00.{'9' * 5000}Z", "-2026-01-01T00:00:00Z", "", "\x00", "\ud800"),
)
TEXTS = ("", "\x00", "\ud800", "x" * 300_000, "\u202e", "' OR 1=1 --", "../../etc/passwd", "NaN")


def documents() -> Iterator[dict[str, object]]:
    """Yield operations with a value at an edge, as a literal and as a variable."""
    for number in NUMBERS:
        yield {"query": f"{{ blobs(first: {number}) {{ nodes {{ id }} }} }}"}
        yield {"query": f'{{ blobsByLabel(label: "a", minConfidence: {number}) {{ __typename }} }}'}
        yield {"query": _CREATE.replace("VALUE", f"sizeBytes: {number}")}
        yield {"query": _CREATE.replace("VALUE", f"maxLabels: {number}")}
        yield {"query": _CREATE.replace("VALUE", f"minConfidence: {number}")}
    for date in DATES:
        yield {"query": _BLOBS, "variables": {"filter": {"createdAfter": date}}}
        yield {"query": _BLOBS, "variables": {"filter": {"createdBefore": date}}}
        literal = json.dumps(date, ensure_ascii=True)
        yield {"query": f"{{ blobs(filter: {{createdAfter: {literal}}}) {{ __typename }} }}"}
    for text in TEXTS:
        for name in ("sha256", "callbackUrl", "idempotencyKey", "contentType"):
            given = {"contentType": "JPEG", name: text}
            yield {"query": _CREATE_WITH, "variables": {"input": given}}
        yield {"query": _BLOB, "variables": {"id": text}}
        yield {"query": _NODES, "variables": {"ids": [text] * 200}}
        yield {"query": _BY_LABEL, "variables": {"label": text, "after": text}}


_CREATE = "mutation { createUpload(input: {contentType: JPEG, VALUE}) { __typename } }"
_CREATE_WITH = (
    "mutation ($input: CreateUploadInput!) { createUpload(input: $input) { __typename } }"
)
_BLOBS = "query ($filter: BlobFilter) { blobs(filter: $filter) { nodes { id } } }"
_BLOB = "query ($id: ID!) { blob(id: $id) { id } }"
_NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
_BY_LABEL = (
    "query ($label: String!, $after: String) "
    "{ blobsByLabel(label: $label, after: $after) { __typename } }"
)


def scalars(target: Target, *, full: bool) -> Iterator[Row]:  # noqa: ARG001  # it takes no time
    """No value at an edge is an error of the service."""
    statuses: Counter[int] = Counter()
    masked = 0
    headers = {"content-type": "application/json", "accept": "application/json"}
    with httpx.Client(base_url=target.url, headers=headers, timeout=SECONDS) as client:
        for document in documents():
            answer = client.post("/graphql", content=json.dumps(document))
            statuses[answer.status_code] += 1
            masked += "INTERNAL_SERVER_ERROR" in answer.text
    failures = sum(count for status, count in statuses.items() if status >= 500)
    yield Row(
        f"{statuses.total()} values at the edges of scalars",
        "no 500, no internal error",
        f"statuses {dict(sorted(statuses.items()))}, {masked} internal errors",
        failures == masked == 0,
    )


HOSTS = (
    (b"Host: a", b"Host: b"),
    (b"Host: user@a",),
    (b"Host: a b",),
    (b"X: y",),
    (b"Host: a", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    (b"Host: a", b"Content-Length: 5", b"Content-Length: 6"),
    (b"Host: a", b"Transfer-Encoding: chunked, identity"),
)


def hosts(target: Target, *, full: bool) -> Iterator[Row]:  # noqa: ARG001  # it takes no time
    """Two Host headers and their kind."""
    statuses = []
    for fields in HOSTS:
        with target.connect() as client:
            lines = [b"POST /graphql HTTP/1.1", *fields, b"Connection: close", b"", b""]
            client.sendall(b"\r\n".join(lines))
            statuses.append(status_of(received(client)))
    yield Row(
        "two Hosts, user info, two lengths",
        "400",
        f"statuses {dict(Counter(statuses))}",
        set(statuses) == {400},
    )
