"""The real service for real clients: over uvicorn, and as its Lambda behind an HTTP API."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from api import lambda_handler
from api.bootstrap import App, as_lambda_handler
from api.graphql.execution.documents import Documents
from api.graphql.http.app import GraphQLApp
from api.graphql.schema import schema
from tests.support.aws.http_api import HttpApi
from tests.support.services.embedded_stores import EmbeddedStores, MovableClock
from tests.support.services.process import ServiceProcess


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    service = ServiceProcess(tmp_path_factory.mktemp("web")).start()
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="session")
def service_url(service: ServiceProcess) -> str:
    return service.url


@pytest.fixture
def serve_by_lambda(
    tmp_path: Path, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Call the API's handler as Lambda does, but over the embedded stores; return where it is.

    Options are those of `Documents`.
    """
    stores = EmbeddedStores(tmp_path, clock)
    services = stores.services("local")
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with HttpApi(lambda_handler.handler) as http_api:

        def serve(**options: Any) -> str:
            graphql = GraphQLApp(services, Documents(schema._schema, **options))
            mangum = http_api.run(lambda: as_lambda_handler(App(services, graphql)))
            container = SimpleNamespace(http_handler=mangum)
            monkeypatch.setattr(lambda_handler, "container", lambda: container)
            return http_api.url

        yield serve
    root.handlers[:] = handlers
    root.setLevel(level)
    stores.close()


@pytest.fixture(params=["uvicorn", "mangum"])
def api_url(request: pytest.FixtureRequest) -> str:
    """The same over either."""
    if request.param == "mangum":
        serve: Callable[..., str] = request.getfixturevalue("serve_by_lambda")
        return serve()
    url: str = request.getfixturevalue("service_url")
    return url
