"""Thumbnails over HTTP, from a real service."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.support.images.photos import photo
from tests.support.services.process import ServiceProcess

pytestmark = pytest.mark.slow

URLS = "query ($id: ID!) { blob(id: $id) { status thumbnailUrl previewUrl downloadUrl } }"
DELETE = "mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename } }"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    running = ServiceProcess(tmp_path_factory.mktemp("thumbnails")).start()
    yield running
    assert running.stop() == 0


def labelled(service: ServiceProcess, picture: bytes) -> str:
    """Upload an image; return its id when it is LABELLED or FAILED."""
    blob_id = service.upload(picture)
    service.wait_for(blob_id, lambda blob: blob["status"] in ("LABELLED", "FAILED"))
    return blob_id


def test_thumbnail_is_made_once_and_kept(service: ServiceProcess) -> None:
    """A WebP with headers that let a browser cache it and only show it."""
    blob_id = labelled(service, photo("coffee.png"))
    url = service.graphql(URLS, id=blob_id)["blob"]["thumbnailUrl"]
    with ThreadPoolExecutor(8) as many:
        answers = list(many.map(httpx.get, [url] * 8))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    small = Image.open(io.BytesIO(answers[0].content))
    assert (small.format, small.size) == ("WEBP", (320, 213))
    headers = answers[0].headers
    assert headers["content-type"] == "image/webp"
    assert headers["cache-control"].startswith("private, max-age=")
    assert headers["x-content-type-options"] == "nosniff"
    kept = list((service.data / "derived").rglob("*"))
    assert [path.name for path in kept if path.is_file()] == [blob_id]
    # Repeated requests get the same URL, which browsers have cached.
    assert service.graphql(URLS, id=blob_id)["blob"]["thumbnailUrl"] == url


def test_preview_is_a_larger_thumbnail_with_a_url_of_its_own(service: ServiceProcess) -> None:
    blob_id = labelled(service, photo("coffee.png"))
    blob = service.graphql(URLS, id=blob_id)["blob"]
    answer = httpx.get(blob["previewUrl"])
    large = Image.open(io.BytesIO(answer.content))
    assert (large.format, large.size) == ("WEBP", (600, 400))
    assert answer.headers["cache-control"].startswith("private, max-age=")
    assert httpx.get(blob["previewUrl"]).content == answer.content
    small = Image.open(io.BytesIO(httpx.get(blob["thumbnailUrl"]).content))
    assert small.size == (320, 213)
    assert httpx.get(blob["previewUrl"].replace("/large", "")).status_code == 403
    assert httpx.get(blob["thumbnailUrl"].replace("?", "/large?")).status_code == 403


def test_deletion_removes_the_thumbnails(service: ServiceProcess) -> None:
    """The files too, at once."""
    blob_id = labelled(service, photo("coffee.png"))
    blob = service.graphql(URLS, id=blob_id)["blob"]
    urls = (blob["thumbnailUrl"], blob["previewUrl"])
    assert [httpx.get(url).status_code for url in urls] == [200, 200]
    assert len(list((service.data / "derived").rglob(f"{blob_id}*"))) == 2
    service.graphql(DELETE, id=blob_id)
    assert [httpx.get(url).status_code for url in urls] == [404, 404]
    assert list((service.data / "derived").rglob(f"{blob_id}*")) == []


def test_changed_thumbnail_url_is_rejected(service: ServiceProcess) -> None:
    """A URL with another image, method or time."""
    blob_id = labelled(service, photo("coffee.png"))
    other = labelled(service, photo("chelsea.png"))
    blob = service.graphql(URLS, id=blob_id)["blob"]
    url = blob["thumbnailUrl"]
    assert httpx.get(url.replace(blob_id, other)).status_code == 403
    assert httpx.get(url.split("?")[0]).status_code == 403
    assert httpx.get(url.replace("expires=1", "expires=2")).status_code == 403
    # A URL of one image is not valid for the other.
    assert httpx.get(blob["downloadUrl"].replace("/originals/", "/thumbnails/")).status_code == 403
    assert httpx.get(url.replace("/thumbnails/", "/originals/")).status_code == 403


def test_failed_or_missing_image_has_no_thumbnail(service: ServiceProcess, tmp_path: Path) -> None:
    """The URL is null, before the bytes arrive too."""
    blob_id = labelled(service, photo("coffee.png")[:3000])
    blob = service.graphql(URLS, id=blob_id)["blob"]
    assert (blob["status"], blob["thumbnailUrl"], blob["previewUrl"]) == ("FAILED", None, None)
    assert httpx.get(blob["downloadUrl"]).content == photo("coffee.png")[:3000]
    awaited = service.create_upload("PNG")["blob_id"]
    assert service.graphql(URLS, id=awaited)["blob"]["thumbnailUrl"] is None
