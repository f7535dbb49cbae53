"""Hostile servers and clients with deadlines."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from notifier.http.client import WebhookClient
from tests.support.webhooks.certificates import Authority
from tests.support.webhooks.clients import ANYWHERE, DEADLINE, SHORT, Serve
from tests.support.webhooks.hostile import HostileServer, Script


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[HostileServer] = []

    def start(script: Script, tls: ssl.SSLContext | None = None) -> HostileServer:
        servers.append(HostileServer(script, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def client() -> WebhookClient:
    return WebhookClient(deadline=DEADLINE, rules=ANYWHERE)


@pytest.fixture
def impatient() -> WebhookClient:
    return WebhookClient(deadline=SHORT, rules=ANYWHERE)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))
