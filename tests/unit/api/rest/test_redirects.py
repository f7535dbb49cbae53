"""Redirects between paths with and without a slash."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

from api.rest.app import create_app
from api.rest.redirects import relative
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("https://host.example/graphql", "/graphql/"),
        ("https://host.example/graphql?query=%7B%7D", "/graphql/"),
        ("https://host.example/blobs/x%20y", "/blobs/x y/"),
        ("https://host.example/gallery/assets/", "/gallery/assets"),
    ],
)
def test_relative_redirect_keeps_what_a_proxy_put_before_the_path(location: str, path: str) -> None:
    below = location.replace("host.example", "other.example/labels")
    assert urljoin(f"https://other.example/labels{path}", relative(location, path)) == below


def test_slash_too_many_is_redirected_by_a_relative_url(stores: EmbeddedStores) -> None:
    with AppClient(create_app(stores.services())) as client:
        answer = client.get("/graphql/?query=%7B__typename%7D", follow_redirects=False)
    assert answer.status_code == 307
    assert answer.headers["location"] == "../graphql?query=%7B__typename%7D"
