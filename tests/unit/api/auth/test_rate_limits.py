"""Limits on the requests of a key, and on failed authentications of an address."""

from __future__ import annotations

import asyncio
import logging
from contextvars import copy_context
from dataclasses import replace

import pytest

from api.auth.caller import Caller
from api.auth.rate_limits import (
    MAX_BUCKETS,
    ClientAddress,
    RateLimits,
    TokenBuckets,
    client_address,
    network_of,
)
from api.errors import TooManyRequests, Unauthenticated
from api.rest.app import create_app
from tests.support.problems import read_problem
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

GOOD = "Bearer lbl_good"


class Time:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def known_keys(authorization: str | None) -> Caller:
    if authorization is None or not authorization.startswith(GOOD):
        raise Unauthenticated
    return Caller("anna")


def attempt(limits: RateLimits, authorization: str | None, address: str = "192.0.2.1") -> str:
    """Authenticate from an address; return the outcome."""

    async def run() -> str:
        client_address.set(address)
        try:
            return (await limits.guard(known_keys)(authorization)).owner
        except (TooManyRequests, Unauthenticated) as error:
            return type(error).__name__

    return copy_context().run(asyncio.run, run())


def test_bucket_allows_a_burst_and_then_its_rate() -> None:
    time = Time()
    buckets = TokenBuckets(2, 3, time)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take("a") == pytest.approx(0.5)
    assert buckets.take("b") == 0
    time.now += 0.5
    assert buckets.take("a") == 0
    assert buckets.wait("a") == pytest.approx(0.5)
    time.now += 1000
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]


def test_number_of_buckets_is_bounded() -> None:
    buckets = TokenBuckets(1, 1, Time())
    for number in range(MAX_BUCKETS + 5):
        buckets.take(str(number))
    assert len(buckets._buckets) == MAX_BUCKETS
    assert "0" not in buckets
    assert str(MAX_BUCKETS) in buckets


def test_key_has_a_limit_of_its_own() -> None:
    time = Time()
    limits = RateLimits(1, 0, time)
    assert [attempt(limits, GOOD) for _ in range(11)] == ["anna"] * 10 + ["TooManyRequests"]
    assert attempt(limits, f"{GOOD}2") == "anna"
    time.now += 1
    assert attempt(limits, GOOD) == "anna"


def test_address_without_a_valid_key_is_refused_after_its_failures(
    caplog: pytest.LogCaptureFixture,
) -> None:
    time = Time()
    limits = RateLimits(100, 2, time)
    bad = "Bearer lbl_secret-of-another-service"
    assert [attempt(limits, key) for key in (bad, None, bad)] == [
        "Unauthenticated",
        "Unauthenticated",
        "TooManyRequests",
    ]
    assert attempt(limits, bad, "192.0.2.2") == "Unauthenticated"
    time.now += 30
    assert attempt(limits, bad) == "Unauthenticated"
    messages = [record.message for record in caplog.records]
    assert messages.count("authentication failed") == 4
    assert messages.count("limit exceeded, refused") == 1
    assert "secret" not in "".join(str(vars(record)) for record in caplog.records)
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_key_used_before_works_from_a_refused_address() -> None:
    limits = RateLimits(100, 1, Time())
    assert attempt(limits, GOOD, "192.0.2.9") == "anna"
    assert attempt(limits, None) == "Unauthenticated"
    assert attempt(limits, f"{GOOD}2") == "TooManyRequests"
    assert attempt(limits, GOOD) == "anna"


def test_zero_turns_a_limit_off() -> None:
    limits = RateLimits(0, 0, Time())
    assert {attempt(limits, GOOD) for _ in range(5000)} == {"anna"}
    assert {attempt(limits, None) for _ in range(100)} == {"Unauthenticated"}


def test_requests_without_a_key_have_no_limit_where_none_is_needed() -> None:
    limits = RateLimits(1, 1, Time())
    for _ in range(50):
        limits.admit(None)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_addresses_of_one_client_count_together(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize("path", ["/graphql", "/v1/blobs/x"])
def test_limited_request_is_answered_429_with_retry_after(
    stores: EmbeddedStores, path: str
) -> None:
    limits = RateLimits(0, 1)
    services = stores.services()
    services = replace(services, authenticate=limits.guard(services.authenticate))
    with AppClient(ClientAddress(create_app(services))) as client:
        answers = [client.get(path, headers={"accept": "application/json"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 429]
    seconds = int(answers[1].headers["retry-after"])
    assert 1 <= seconds <= 60
    if path == "/graphql":
        (error,) = answers[1].json()["errors"]
        assert error["extensions"] == {"code": "TOO_MANY_REQUESTS", "retryAfter": seconds}
    else:
        assert read_problem(answers[1], "TOO_MANY_REQUESTS")["retry_after"] == seconds
