"""`GET /metrics`, and the operations by which requests are counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.types import Scope

from api.rest.app import create_app
from api.threads import run_in_thread
from core.runtime.metrics import Metric
from embedded.http.metrics import MeasureRequests, metrics_route, operation_of
from embedded.metrics.recorder import Recorder
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(stores: EmbeddedStores, recorder: Recorder) -> Iterator[AppClient]:
    """A client without a key: it acts as the owner "local"."""
    services = stores.services(keyless_owner="local")
    app = create_app(services)
    route = metrics_route(recorder.registry, services.authenticate, run_in_thread)
    app.router.routes.append(route)
    with AppClient(MeasureRequests(app, recorder)) as client:
        yield client


def requests(recorder: Recorder, operation: str, status: str) -> float | None:
    labels = {"operation": operation, "status": status}
    return recorder.registry.get_sample_value("labelling_http_requests_total", labels)


@pytest.mark.parametrize(
    ("document", "operation"),
    [
        ("query Mine { blobs(first: 1) { nodes { id } } }", "blobs"),
        (
            "{ one: blobs(first: 1) { nodes { id } } two: blobs(first: 2) { nodes { id } } }",
            "blobs",
        ),
        ("{ blobs { nodes { id } } labels { nodes { name } } }", "several"),
        ("{ ...all } fragment all on Query { labels { nodes { name } } }", "labels"),
        ("{ __schema { queryType { name } } }", "introspection"),
        ("{ nothing }", "invalid"),
        ("{", "invalid"),
    ],
)
def test_operations_are_counted_by_their_root_fields(
    client: AppClient, recorder: Recorder, document: str, operation: str
) -> None:
    """The names that clients give would be without bound. The second time the document is kept."""
    for times in (1, 2):
        answer = client.post("/graphql", json={"query": document})
        assert requests(recorder, operation, f"{answer.status_code // 100}xx") == times
    seconds = {"operation": operation}
    counted = recorder.registry.get_sample_value("labelling_http_request_seconds_count", seconds)
    assert counted == 2


def test_routes_are_counted_by_their_template(client: AppClient, recorder: Recorder) -> None:
    """`/blobs` is the earlier name of `/v1/blobs`."""
    for path in ("/v1/blobs/one", "/v1/blobs/two", "/blobs/three"):
        assert client.get(path).status_code == 404
    assert requests(recorder, "GET /v1/blobs/{blob_id}", "4xx") == 3
    assert client.get("/healthz").status_code == 200
    assert requests(recorder, "GET /healthz", "2xx") == 1


@pytest.mark.parametrize(
    ("scope", "operation"),
    [
        ({"method": "PUT", "path": "/originals/anna/1"}, "PUT /originals"),
        ({"method": "ANY-WORD", "path": "/originals/anna/1"}, "other /originals"),
        ({"method": "GET", "path": "/"}, "pages"),
        ({"method": "GET", "path": "/gallery/assets/1.js"}, "pages"),
        ({"method": "GET", "path": "/thumbnails/anna/1"}, "thumbnails"),
        ({"method": "GET", "path": "/any/path"}, "other"),
        ({"method": "GET", "path": "*"}, "other"),
        ({"method": "POST", "path": "/graphql"}, "graphql"),
        ({"method": "POST", "path": "/graphql", "state": {"operation": "blob"}}, "blob"),
    ],
)
def test_operations_come_from_a_bounded_set(scope: Scope, operation: str) -> None:
    assert operation_of(scope) == operation


def test_metrics_come_in_the_format_that_the_client_accepts(
    client: AppClient, recorder: Recorder
) -> None:
    recorder(Metric.UPLOADS_CREATED)
    plain = client.get("/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert "labelling_uploads_created_total 1.0" in plain.text.splitlines()
    open_metrics = client.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")


def test_metrics_need_a_key(stores: EmbeddedStores, recorder: Recorder) -> None:
    services = stores.services()
    app = create_app(services)
    route = metrics_route(recorder.registry, services.authenticate, run_in_thread)
    app.router.routes.append(route)
    with AppClient(app) as client:
        assert client.get("/metrics").status_code == 401
        headers = {"authorization": f"Bearer {stores.key_for('anna')}"}
        assert client.get("/metrics", headers=headers).status_code == 200
