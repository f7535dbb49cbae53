"""Downloads by signed URL, through the real application."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from core.domain.blob import ImageType
from tests.support.services.app_client import AppClient
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.object_routes import PICTURE, Routes, changed, refused


@pytest.fixture
def download(stores: EmbeddedStores, routes: Routes) -> tuple[AppClient, str]:
    assert routes.put().status_code == 200
    return AppClient(routes.app), stores.storage.presign_get(
        routes.blob.key, "image/jpeg", now=stores.clock()
    )


def test_get_returns_the_image_with_its_declared_type(download: tuple[AppClient, str]) -> None:
    """And with headers against sniffing, scripts and shared caches."""
    client, url = download
    with client:
        answer = client.get(url)
    assert (answer.status_code, answer.content) == (200, PICTURE)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "private" in answer.headers["cache-control"]
    assert re.fullmatch(
        r'attachment; filename="[0-9A-Z]{26}\.jpeg"', answer.headers["content-disposition"]
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat_1.jpg", 'attachment; filename="cat_1.jpg"'),
        (
            'Straße "1";.jpg',
            (
                'attachment; filename="Stra_e__1__.jpg"; '
                "filename*=UTF-8''Stra%C3%9Fe%20%221%22%3B.jpg"
            ),
        ),
    ],
)
def test_a_download_has_the_files_name(
    stores: EmbeddedStores,
    download: tuple[AppClient, str],
    routes: Routes,
    name: str,
    expected: str,
) -> None:
    """In ASCII, and also in UTF-8 where it has other characters (RFC 6266, RFC 8187)."""
    client, _ = download
    key = routes.blob.key
    url = stores.storage.presign_get(key, "image/jpeg", name, now=stores.clock())
    with client:
        assert client.get(url).headers["content-disposition"] == expected
        forged = client.get(url.replace("file-name=", "file-name=x"))
    assert refused(forged) == (403, "SignatureDoesNotMatch")


def test_head_returns_the_headers_of_get(download: tuple[AppClient, str]) -> None:
    """With the URL signed for GET."""
    client, url = download
    with client:
        answer = client.request("HEAD", url)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(PICTURE))
    assert answer.headers["content-type"] == "image/jpeg"


def test_range_request_returns_a_part(download: tuple[AppClient, str]) -> None:
    """Ranges within the image and beyond it."""
    client, url = download
    with client:
        part = client.get(url, headers={"range": "bytes=10-19"})
        beyond = client.get(url, headers={"range": "bytes=999999-"})
    assert (part.status_code, part.content) == (206, PICTURE[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(PICTURE)}"
    assert beyond.status_code == 416


def test_changed_or_expired_download_url_is_rejected(
    stores: EmbeddedStores, download: tuple[AppClient, str]
) -> None:
    client, url = download
    html = changed(url, lambda query: query.update({"content-type": "text/html"}))
    with client:
        assert refused(client.get(html)) == (403, "SignatureDoesNotMatch")
        stores.clock.advance(timedelta(minutes=15))
        assert refused(client.get(url)) == (403, "AccessDenied")


def test_missing_bytes_are_not_found(stores: EmbeddedStores, routes: Routes) -> None:
    """404, whether they never arrived or were deleted."""
    url = stores.storage.presign_get(routes.blob.key, "image/jpeg", now=stores.clock())
    with AppClient(routes.app) as client:
        assert refused(client.get(url)) == (404, "NoSuchKey")


@pytest.mark.parametrize(
    "path",
    [
        "/originals/anna/..%2F..%2Flabelling.sqlite",
        "/originals/..%2F/labelling.sqlite",
        "/originals/%2E%2E/labelling.sqlite",
        "/originals/anna/%00",
        "/originals/anna/x%0Aforged",
    ],
)
def test_path_cannot_leave_the_folder(routes: Routes, path: str) -> None:
    """The signature is checked first."""
    with AppClient(routes.app) as client:
        for method in ("GET", "PUT"):
            assert client.request(method, path).status_code in (403, 404)


def test_url_has_the_blobs_content_type(stores: EmbeddedStores, routes: Routes) -> None:
    """A PNG is uploaded and downloaded as a PNG."""
    routes.blob = stores.awaiting("anna", content_type=ImageType.PNG)
    assert routes.put().status_code == 200
    body = {"query": "query ($id: ID!) { blob(id: $id) { downloadUrl } }"}
    with AppClient(routes.app) as client:
        asked = client.post("/graphql", json={**body, "variables": {"id": routes.blob.id}})
        answer = client.get(asked.json()["data"]["blob"]["downloadUrl"])
    assert answer.headers["content-type"] == "image/png"
    assert answer.content == PICTURE
