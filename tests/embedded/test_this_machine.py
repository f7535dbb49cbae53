"""A keyless service serves this machine alone, whatever page a browser on it shows."""

from __future__ import annotations

import pytest

from embedded.this_machine import ThisMachineOnly


async def nothing(*_: object) -> None:
    """Stand for an app that is never asked here."""


def guard(*origins: str, public_url: str | None = None) -> ThisMachineOnly:
    return ThisMachineOnly(nothing, "127.0.0.1", public_url, origins)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "localhost"])
def test_its_own_addresses_are_let_in(host: str) -> None:
    """By number or name, with or without a port."""
    assert guard("loopback").refusal(host, None) is None


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "[::1", "a b"])
def test_a_foreign_host_is_refused(host: str) -> None:
    """A name made to resolve to this machine (DNS rebinding) opens nothing."""
    assert guard("loopback").refusal(host, None)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://localhost.evil.example",
        "http://localhost:5173.evil.example",
        "null",
        "http://127.0.0.1:8000@evil.example",
        "",
    ],
)
def test_a_page_from_elsewhere_is_refused(origin: str) -> None:
    """Even by a request that needs no preflight."""
    assert guard("loopback").refusal("127.0.0.1:8000", origin)


@pytest.mark.parametrize("origin", ["http://localhost:5173", "https://127.0.0.1", "http://[::1]:1"])
def test_pages_of_this_machine_are_let_in(origin: str) -> None:
    """A frontend under development has a port of its own."""
    assert guard("loopback").refusal("127.0.0.1:8000", origin) is None


def test_listed_and_own_pages_are_let_in() -> None:
    """Those that the operator named, those we serve, and the public URL's."""
    kept = guard("https://app.example", public_url="https://labels.example/")
    assert kept.refusal("127.0.0.1:8000", "https://app.example") is None
    assert kept.refusal("127.0.0.1:8000", "http://127.0.0.1:8000") is None
    assert kept.refusal("labels.example", "https://labels.example") is None
    assert kept.refusal("127.0.0.1:8000", "http://localhost:5173")


def test_any_page_is_let_in_when_told_so() -> None:
    """`*` is the operator's word."""
    assert guard("*").refusal("localhost", "https://evil.example") is None
