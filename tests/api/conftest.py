"""The real API over real stores in a temporary folder, and two owners who use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.app import create_app
from tests.support.app_client import AppClient
from tests.support.graphql_client import GraphQL
from tests.support.house import House, MovableClock


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
