"""The real service for the browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.process import ServiceProcess


@pytest.fixture(scope="session")
def service_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    service = ServiceProcess(tmp_path_factory.mktemp("web")).start()
    yield service.url
    assert service.stop() == 0
