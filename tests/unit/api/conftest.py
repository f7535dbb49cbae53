"""The real API over real stores in a temporary folder, and two owners who use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from api.graphql.documents import Documents
from api.graphql.http import GraphQLApp
from api.graphql.schema import schema
from api.rest.app import create_app
from tests.support.app_client import AppClient
from tests.support.embedded_stores import House, MovableClock
from tests.support.graphql_client import GraphQL

Serve = Callable[..., GraphQL]


@pytest.fixture
def house(tmp_path: Path, clock: MovableClock) -> Iterator[House]:
    house = House(tmp_path, clock)
    yield house
    house.close()


@pytest.fixture
def client(house: House) -> Iterator[AppClient]:
    with AppClient(create_app(house.services(), cors_origins=["*"])) as client:
        yield client


@pytest.fixture
def anna(house: House, client: AppClient) -> GraphQL:
    return GraphQL(client, house.key_for("anna"))


@pytest.fixture
def boris(house: House, client: AppClient) -> GraphQL:
    return GraphQL(client, house.key_for("boris"))


@pytest.fixture
def serve(house: House) -> Iterator[Serve]:
    """Serve with other settings, those of `Documents` among them; return Anna, who needs no key."""
    with ExitStack() as stack:

        def start(*, seconds: float = 15, **options: Any) -> GraphQL:
            services = house.services("anna")
            documents = Documents(schema._schema, **options)
            graphql = GraphQLApp(services, documents, seconds=seconds)
            client = AppClient(create_app(services, graphql=graphql))
            return GraphQL(stack.enter_context(client), None)

        yield start
