"""Deliveries of webhooks."""

from __future__ import annotations

import pytest

from core.domain.delivery import TEST_VERSION, Delivery, delivery_id, endpoint_of
from tests.support.blobs import NOON


def test_event_has_one_id() -> None:
    """Another version is another event. Ids have no dots, which separate the signed parts."""
    assert delivery_id("01ARYZ", 3) == delivery_id("01ARYZ", 3) == "msg_01ARYZ_3"
    assert delivery_id("01ARYZ", 4) != delivery_id("01ARYZ", 3)
    assert "." not in delivery_id("01ARYZ", 3)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("https://example.test/hook", "https://example.test/hook"),
        ("https://example.test/hook?a=b&c=d#e", "https://example.test/hook"),
        ("HTTPS://Example.Test/Hook", "https://example.test/Hook"),
        ("https://example.test", "https://example.test/"),
        ("http://example.test:8443/", "http://example.test:8443/"),
        ("http://[2001:DB8::1]:80/a", "http://[2001:db8::1]/a"),
        ("https://Example.Test.:443/hook", "https://example.test/hook"),
        ("http://[", "http://["),
    ],
)
def test_endpoint_is_a_url_without_its_query(url: str, endpoint: str) -> None:
    """In its normal form."""
    assert endpoint_of(url) == endpoint


def test_test_event_has_an_id_of_version_0() -> None:
    for version in (TEST_VERSION, 1, 2):
        name = delivery_id("01ARYZ", version)
        delivery = Delivery(name, "01ARYZ", "anna", "https://e.test/", b"{}", NOON, NOON)
        assert delivery.is_test is (version == TEST_VERSION)
