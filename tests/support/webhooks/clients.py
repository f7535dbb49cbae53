"""Webhook clients of tests, and ports that drop connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from core.domain.webhook_url import CallbackRules
from notifier.http.client import Response, SendError, WebhookClient
from tests.support.webhooks.hostile import HostileServer

ANYWHERE = CallbackRules(private=True)
HERE = "127.0.0.1"
DEADLINE = 20.0  # of requests that succeed on a machine under load too
SHORT = 0.5  # of requests that must fail
BOTH = 2.0  # where one client has requests of both kinds
# For machines under load. The servers here go on for longer, or end with another error.
LEEWAY = 4.0
ENDLESS = 1_000_000
HEADERS = {"content-type": "application/json", "webhook-id": "msg_1"}

Serve = Callable[..., HostileServer]


def post(client: WebhookClient, url: str, body: bytes = b"{}") -> Response:
    """Send a POST request and assert that it ends within the deadline."""
    started = time.monotonic()
    try:
        return client.post(url, HEADERS, body)
    finally:
        assert time.monotonic() - started < client._deadline + LEEWAY


def send_error(client: WebhookClient, url: str, body: bytes = b"{}") -> SendError:
    with pytest.raises(SendError) as caught:
        post(client, url, body)
    assert str(caught.value).startswith(f"{caught.value.error}: ")
    return caught.value


def error_of(client: WebhookClient, url: str, body: bytes = b"{}") -> str:
    return send_error(client, url, body).error


@contextmanager
def black_hole(address: str, port: int = 0) -> Iterator[int]:
    """Make a port of this machine drop connection attempts, by a full backlog."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    waiting: list[socket.socket] = []
    with socket.socket(family) as listener:
        try:
            listener.bind((address, port))
        except OSError:
            pytest.skip(f"there is no {address} here")
        listener.listen(0)
        for _ in range(4):
            waiting.append(socket.socket(family))
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        try:
            yield listener.getsockname()[1]
        finally:
            for each in waiting:
                each.close()
