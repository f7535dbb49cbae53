"""Floods of requests with a valid key, and with wrong ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx

from api.auth.rate_limits import BURST_SECONDS
from bench.attacks.target import SECONDS, Row, Target
from core.domain.api_key import hash_key, new_key
from core.domain.clock import utc_now
from core.repositories.ports.owners import ApiKey
from embedded.settings import Settings
from embedded.stores import open_stores

RATE = 20
FAILURES = 60
FLAGS = (
    *("--requests-per-second", str(RATE)),
    *("--failed-keys-per-minute", str(FAILURES)),
)
QUERY = {"query": "{ __typename }"}


def add_key(data: Path, owner: str) -> str:
    """Store a new key; return it."""
    stores = open_stores(Settings(data=data))
    key = new_key()
    stores.owners.add_key(ApiKey(hash_key(key), owner, "", utc_now()))
    stores.database.close()
    return key


def floods(target: Target, known: str, other: str, *, full: bool) -> Iterator[Row]:
    """One key sends far more than its rate; then wrong keys come from its address."""
    number = 2000 if full else BURST_SECONDS * RATE + 50
    with httpx.Client(base_url=target.url, timeout=SECONDS) as client:
        assert ask(client, other) == 200  # OK
        began = time.perf_counter()
        found = Counter(ask(client, known) for _ in range(number))
        allowed = RATE * (BURST_SECONDS + time.perf_counter() - began) + 1
        yield Row(
            f"{number} requests of one key",
            f"{RATE} a second after {BURST_SECONDS * RATE}, then 429; another key served",
            f"{found[200]} of {allowed:.0f} allowed, {found[429]} got 429, "
            f"another key got {ask(client, other)}",
            found[200] <= allowed and found.total() == found[200] + found[429],
        )
        target.logged()
        number = 1000 if full else FAILURES + 20
        began = time.perf_counter()
        found = Counter(ask(client, new_key()) for _ in range(number))
        allowed = FAILURES * (1 + (time.perf_counter() - began) / 60) + 1
        lines = target.logged()
        good = ask(client, other)
        yield Row(
            f"{number} requests with wrong keys",
            f"{FAILURES} a minute get 401 and a log line, then 429; a known key served",
            f"{found[401]} got 401, {found[429]} got 429, {len(lines)} log lines, "
            f"a known key got {good}",
            found[401] <= allowed and len(lines) <= allowed + 1 and good == 200,
        )


def ask(client: httpx.Client, key: str) -> int:
    """Send a query with a key; return the status."""
    headers = {"authorization": f"Bearer {key}"}
    return client.post("/graphql", json=QUERY, headers=headers).status_code
