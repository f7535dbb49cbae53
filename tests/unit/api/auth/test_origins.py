"""Which requests with a cookie come from the service's own pages."""

from __future__ import annotations

import pytest

from api.auth.origins import is_own_page

HERE = {"host": "labels.test:8000"}
PUBLIC = "https://labels.example"
BEHIND_PROXY = {"host": "labels.example"}
# Method, headers, the origin of the public URL.
OWN = [
    ("POST", HERE | {"origin": "http://labels.test:8000"}, None),
    ("POST", HERE | {"sec-fetch-site": "same-origin"}, None),
    (None, HERE | {"origin": "http://labels.test:8000"}, None),
    ("GET", HERE, None),  # from an older browser, which SameSite binds
    ("GET", HERE | {"sec-fetch-site": "none"}, None),  # an address that a person typed
    ("POST", BEHIND_PROXY | {"origin": PUBLIC}, PUBLIC),
    ("POST", {"host": "10.0.0.5:8000", "origin": PUBLIC}, PUBLIC),  # the proxy changed Host
    ("POST", {"host": "localhost:8000", "origin": "http://localhost:8000"}, PUBLIC),
]
FOREIGN = [
    ("POST", HERE, None),  # nothing says where it comes from
    (None, HERE, None),
    ("POST", HERE | {"origin": "null"}, None),  # a sandboxed frame, or a file
    ("POST", HERE | {"origin": ""}, None),
    ("POST", HERE | {"origin": "http://labels.test:9000"}, None),  # another port: the same site
    ("POST", HERE | {"origin": "http://evil.labels.test:8000"}, None),
    ("POST", HERE | {"origin": "http://labels.test:8000.evil.test"}, None),
    ("POST", HERE | {"origin": "http://evil.test"}, None),
    ("POST", {"origin": "http://labels.test:8000"}, None),
    ("GET", HERE | {"origin": "http://evil.test"}, None),
    (None, HERE | {"origin": "http://evil.test"}, None),
    ("POST", HERE | {"sec-fetch-site": "none"}, None),
    (None, HERE | {"sec-fetch-site": "none"}, None),
    *(
        (method, HERE | {"sec-fetch-site": site, "origin": "http://labels.test:8000"}, None)
        for method in ("GET", "POST", None)
        for site in ("same-site", "cross-site", "", "Same-Origin")
    ),
    # A page of http at the host of the https service: the network can change such a page.
    ("POST", BEHIND_PROXY | {"origin": "http://labels.example"}, PUBLIC),
]


@pytest.mark.parametrize(("method", "headers", "public"), OWN)
def test_own_page_is_recognised(
    method: str | None, headers: dict[str, str], public: str | None
) -> None:
    assert is_own_page(method, headers, public)


@pytest.mark.parametrize(("method", "headers", "public"), FOREIGN)
def test_request_that_another_page_may_have_sent_is_foreign(
    method: str | None, headers: dict[str, str], public: str | None
) -> None:
    assert not is_own_page(method, headers, public)
