"""The real API over real stores in a temporary folder, and two owners who use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from api.graphql.execution.documents import Documents
from api.graphql.http.app import GraphQLApp
from api.graphql.schema import schema
from api.rest.app import create_app
from tests.support.graphql_client import GraphQL
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores, MovableClock
from tests.support.waiting import PATIENCE

Serve = Callable[..., GraphQL]


@pytest.fixture
def stores(tmp_path: Path, clock: MovableClock) -> Iterator[EmbeddedStores]:
    stores = EmbeddedStores(tmp_path, clock)
    yield stores
    stores.close()


@pytest.fixture
def client(stores: EmbeddedStores) -> Iterator[AppClient]:
    services = stores.services()
    patient = GraphQLApp(services, seconds=PATIENCE)  # a busy machine answers late
    with AppClient(create_app(services, graphql=patient, cors_origins=["*"])) as client:
        yield client


@pytest.fixture
def anna(stores: EmbeddedStores, client: AppClient) -> GraphQL:
    return GraphQL(client, stores.key_for("anna"))


@pytest.fixture
def boris(stores: EmbeddedStores, client: AppClient) -> GraphQL:
    return GraphQL(client, stores.key_for("boris"))


@pytest.fixture
def serve(stores: EmbeddedStores) -> Iterator[Serve]:
    """Serve with other settings, those of `Documents` among them; return Anna, who needs no key."""
    with ExitStack() as stack:

        def start(*, seconds: float = PATIENCE, **options: Any) -> GraphQL:
            services = stores.services("anna")
            documents = Documents(schema._schema, **options)
            graphql = GraphQLApp(services, documents, seconds=seconds)
            client = AppClient(create_app(services, graphql=graphql))
            return GraphQL(stack.enter_context(client), None)

        yield start
