"""Limits of what is in progress."""

from __future__ import annotations

import asyncio
from contextvars import copy_context

import pytest

from api.auth.caller import Caller
from api.errors import Code, RequestError, TooManyRequests
from core.runtime.refusals import Refusals
from core.runtime.settings import BadSetting
from embedded.limits.concurrency import ConcurrencyLimit, Limits, count_owners, current_slot
from embedded.proxies import Proxies

HERE = "192.0.2.1"


def limit(total: int = 100, per_address: int = 100, per_owner: int = 100) -> ConcurrencyLimit:
    limits = Limits(total, per_address, per_owner)
    return ConcurrencyLimit("requests", limits, Refusals(), Proxies(["198.51.100.0/24"]))


def test_total_is_limited_whatever_the_address() -> None:
    requests = limit(total=2)
    first = requests.begin("127.0.0.1")
    requests.begin(HERE)
    with pytest.raises(RequestError, match="too many requests in progress") as refused:
        requests.begin("192.0.2.2")
    assert refused.value.code is Code.SERVICE_UNAVAILABLE
    assert refused.value.headers == {"retry-after": "5"}
    first.end()
    requests.begin("192.0.2.2")


def test_address_has_a_limit_of_its_own() -> None:
    """A /64 of IPv6 counts as one address."""
    requests = limit(per_address=2)
    slots = [requests.begin(address) for address in (HERE, HERE, "2001:db8::1", "2001:db8::2")]
    for address in (HERE, f"::ffff:{HERE}", "2001:db8::3"):
        with pytest.raises(TooManyRequests, match="This address has 2 requests in progress"):
            requests.begin(address)
    requests.begin("192.0.2.2")
    requests.begin("2001:db8:0:1::1")
    for each in slots:
        each.end()
    requests.begin(HERE)
    requests.begin("2001:db8::3")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "198.51.100.7"])
def test_this_machine_and_proxies_have_no_limit_per_address(address: str) -> None:
    requests = limit(per_address=1)
    for _ in range(10):
        requests.begin(address)
    assert requests.total == 10


def test_owner_has_a_limit_of_its_own() -> None:
    """Over all of its addresses."""
    requests = limit(per_owner=2)
    first = requests.begin(HERE, "anna")
    requests.begin("127.0.0.1").add_owner("anna")
    with pytest.raises(TooManyRequests, match="This owner has 2 requests"):
        requests.begin("192.0.2.9", "anna")
    late = requests.begin(HERE)
    with pytest.raises(TooManyRequests):
        late.add_owner("anna")
    late.add_owner("bert")
    first.end()
    requests.begin(HERE, "anna")


def test_refused_and_ended_ones_leave_no_count() -> None:
    requests = limit(total=5, per_address=5, per_owner=1)
    slots = [requests.begin(HERE, "anna"), requests.begin(HERE)]
    for call in (lambda: requests.begin(HERE, "anna"), lambda: slots[1].add_owner("anna")):
        with pytest.raises(TooManyRequests):
            call()
    for slot in (*slots, *slots):  # a second end does nothing
        slot.end()
    slots[1].add_owner("anna")  # too late to count
    assert (requests.total, requests._by_address, requests._by_owner) == (0, {}, {})


def test_authentication_counts_the_request_for_its_owner_once() -> None:
    requests = limit(per_owner=1)

    async def known(_authorization: str | None) -> Caller:
        return Caller("anna")

    authenticate = count_owners(known)

    async def ask() -> str:
        current_slot.set(requests.begin(HERE))
        for _ in range(3):  # as a stream does again and again
            caller = await authenticate("Bearer x")
        return caller.owner

    assert copy_context().run(asyncio.run, ask()) == "anna"
    with pytest.raises(TooManyRequests):
        copy_context().run(asyncio.run, ask())


def test_refusals_are_counted_and_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    refusals = Refusals(lambda: now)
    for second in range(100):
        now = float(second)
        refusals.add("requests", "per_owner", owner="anna")
    refusals.add("requests", "total")
    assert refusals.counts == {("requests", "per_owner"): 100, ("requests", "total"): 1}
    lines = [(vars(each)["limit"], vars(each)["count"]) for each in caplog.records]
    assert lines == [("per_owner", 1), ("per_owner", 60), ("total", 1)]
    assert vars(caplog.records[0])["owner"] == "anna"


@pytest.mark.parametrize("entry", ["proxy.example", "10.0.0.1/8", ""])
def test_entry_that_is_no_address_is_an_error(entry: str) -> None:
    with pytest.raises(BadSetting, match=r"TRUSTED_PROXIES .*contains"):
        Proxies(["127.0.0.1", entry])


def test_unknown_address_is_not_a_proxy() -> None:
    assert "unknown" not in Proxies([])
