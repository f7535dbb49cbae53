"""The log names the origins whose pages may not use the service."""

from __future__ import annotations

import asyncio

import pytest

from embedded.http.blocked_origins import MAX_LOGGED, LogBlockedOrigins


def logged(caplog: pytest.LogCaptureFixture, *origins: str | None, kind: str = "http") -> list[str]:
    """Send requests with these Origin headers; return the origins in the log."""
    passed: list[object] = []

    async def app(scope: object, _receive: object, _send: object) -> None:
        passed.append(scope)

    async def run() -> None:
        guard = LogBlockedOrigins(app, ("loopback", "https://allowed.example"))
        for origin in origins:
            headers = [(b"host", b"labels.example")]
            if origin is not None:
                headers.append((b"origin", origin.encode()))
            await guard({"type": kind, "headers": headers}, None, None)  # type: ignore[arg-type]

    asyncio.run(run())
    assert len(passed) == len(origins)
    assert all("--cors-origins" in record.message for record in caplog.records)
    return [getattr(record, "origin", "") for record in caplog.records]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_blocked_origin_is_logged_once(caplog: pytest.LogCaptureFixture, kind: str) -> None:
    first, second = "https://one.example", "https://two.example"
    assert logged(caplog, first, first, second, kind=kind) == [first, second]


@pytest.mark.parametrize(
    "origin",
    [None, "https://allowed.example", "http://localhost:5173", "https://labels.example"],
)
def test_allowed_origin_is_not_logged(caplog: pytest.LogCaptureFixture, origin: str | None) -> None:
    assert logged(caplog, origin) == []


def test_log_names_a_limited_number_of_origins(caplog: pytest.LogCaptureFixture) -> None:
    many = [f"https://{number}.example" for number in range(MAX_LOGGED + 10)]
    assert logged(caplog, *many) == many[:MAX_LOGGED]


def test_long_origin_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    (shown,) = logged(caplog, "https://" + "x" * 10_000)
    assert len(shown) < 1000
