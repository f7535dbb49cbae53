"""The object routes of a service in this process."""

from __future__ import annotations

import pytest

from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.object_routes import Routes


@pytest.fixture
def routes(stores: EmbeddedStores) -> Routes:
    return Routes(stores)
