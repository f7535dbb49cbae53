"""`GET /metrics`."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from api.errors import RequestError
from api.rest.app import create_app
from embedded.concurrency import Concurrency
from embedded.http.metrics import metrics_route
from embedded.settings import Settings
from tests.support.app_client import AppClient
from tests.support.embedded_stores import EmbeddedStores


def app_with_metrics(stores: EmbeddedStores, concurrency: Concurrency) -> FastAPI:
    services = stores.services()
    app = create_app(services)
    app.router.routes.append(metrics_route(concurrency, services.authenticate, {"Query.old": 3}))
    return app


def test_metrics_show_what_is_in_progress_and_what_was_refused(stores: EmbeddedStores) -> None:
    concurrency = Concurrency(Settings(max_concurrent_requests=1))
    concurrency.requests.begin("192.0.2.1")
    for _ in range(2):
        with pytest.raises(RequestError):
            concurrency.requests.begin("192.0.2.1")
    headers = {"authorization": f"Bearer {stores.key_for('anna')}"}
    with AppClient(app_with_metrics(stores, concurrency)) as client:
        answer = client.get("/metrics", headers=headers)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    assert 'labelling_in_progress{kind="requests"} 1' in lines
    assert 'labelling_in_progress_limit{kind="requests"} 1' in lines
    assert 'labelling_in_progress{kind="connections"} 0' in lines
    assert 'labelling_refused_total{kind="requests",limit="total"} 2' in lines
    assert 'labelling_deprecated_uses_total{element="Query.old"} 3' in lines
    assert answer.text.endswith("\n")


def test_metrics_need_a_key(stores: EmbeddedStores) -> None:
    with AppClient(app_with_metrics(stores, Concurrency(Settings()))) as client:
        assert client.get("/metrics").status_code == 401
