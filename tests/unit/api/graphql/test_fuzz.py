"""Operations generated from the schema by Schemathesis: none causes an internal error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes

from api.graphql.schema import sdl
from api.rest.app import create_app
from core.domain.blob import Blob
from core.domain.label import Label
from tests.conftest import SettableClock
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores

OURS = {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"}
MOMENTS = (
    *("2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00.123+02:00", "0001-01-01T00:00:00.000Z"),
    *("2026-01-31T12:00:00Z", "", "x"),
)
URLS = ("https://example.com/hook", "http://127.0.0.1/", "ftp://x", "//", "https://\u00e4.example/")

# Placeholders for a blob in each state; the last for an absent one.
BLOBS = ("@0", "@1", "@2", "@3", "01ARYZ6S41TSV4RRFFQ69G5FAV")

schemathesis.graphql.scalar("ID", st.sampled_from(BLOBS).map(nodes.String))
schemathesis.graphql.scalar("DateTime", st.sampled_from(MOMENTS).map(nodes.String))
schemathesis.graphql.scalar("Url", st.sampled_from(URLS).map(nodes.String))
OPERATIONS = schemathesis.graphql.from_file(sdl()).as_strategy()


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AppClient, list[Blob]]]:
    """The API with blobs in every state, whose owner needs no key."""
    stores = EmbeddedStores(tmp_path_factory.mktemp("fuzz"), SettableClock())
    for confidence in range(60, 90):
        stores.labelled("anna", Label("Cat", float(confidence)), Label("Animal", 95.0))
    states = [stores.awaiting(), stores.labelling(), stores.failed(), stores.expired()]
    with AppClient(create_app(stores.services("anna"))) as client:
        yield client, states
    stores.close()


@settings(
    max_examples=5 * settings.default.max_examples,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(case=OPERATIONS)
def test_no_operation_causes_an_internal_error(
    owned: tuple[AppClient, list[Blob]], case: Any
) -> None:
    """Every response has data, or an error of the client."""
    client, states = owned
    query = case.body
    for number, blob in enumerate(states):
        query = query.replace(f'"@{number}"', f'"{blob.id}"')
    answer = client.post("/graphql", json={"query": query})
    assert answer.status_code < 500, case.body
    errors = json.loads(answer.content).get("errors", [])
    assert not [error for error in errors if error["extensions"]["code"] in OURS], case.body
