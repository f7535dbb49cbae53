"""Forty workers deliver all webhooks to one endpoint, and never too many at the same time."""

from __future__ import annotations

import pytest

from core.domain.delivery import MAX_PER_ENDPOINT
from core.repositories.ports.deliveries import DeliveryRepository
from tests.support.webhooks.rush import rush


@pytest.mark.parametrize("store", ["moto", "dynalite"], indirect=True)
def test_rush_to_one_endpoint_leaves_nothing_pending(deliveries: DeliveryRepository) -> None:
    """Without the sweep. `bench/one_endpoint.py` does the same ten times with 150."""
    rushed = rush(deliveries, webhooks=40, workers=40)
    assert rushed.sent_once == 40
    assert rushed.pending == 0
    assert rushed.most == MAX_PER_ENDPOINT
