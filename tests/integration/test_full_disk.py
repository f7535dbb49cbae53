"""The embedded service on a small file system that is full to the last byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from embedded.cli.main import main
from embedded.service import Service
from embedded.settings import Settings
from tests.support.images.detectors import ScriptedDetector, thumbnail_here
from tests.support.services.app_client import AppClient
from tests.support.services.small_disk import fill, small_disk
from tests.support.waiting import PATIENCE, wait_until

BASE = "http://127.0.0.1:8000"
CREATE = "mutation { createUpload(input: {contentType: JPEG}) { __typename } }"
DELETE = "mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename } }"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB."""
    with small_disk(tmp_path / "disk", megabytes=32) as is_mounted:
        if not is_mounted:
            pytest.skip("mounting a file system needs root")
        yield tmp_path / "disk"


def graphql(client: AppClient, query: str, **variables: Any) -> Any:
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer
    (value,) = answer["data"].values()
    return value["__typename"]


def test_full_disk_refuses_uploads_and_lets_deletions_make_room(disk: Path) -> None:
    settings = Settings(data=disk / "data", reserve_bytes=2_000_000, workers=1, webhook_workers=1)
    service = Service(
        settings, ScriptedDetector(), base_url=BASE, keyless=True, make_thumbnail=thumbnail_here
    )
    with AppClient(service.app, BASE) as client:
        picture = b"x" * 4_000_000
        sent, unsent = (client.post("/blobs").json() for _ in range(2))
        headers = sent["upload_headers"]
        assert client.put(sent["upload_url"], content=picture, headers=headers).status_code == 200
        assert client.get("/readyz").json()["checks"]["disk"] == "ok"

        other = fill(disk)
        assert graphql(client, CREATE) == "StorageFull"
        assert client.post("/blobs").status_code == 507
        late = client.put(unsent["upload_url"], content=b"x", headers=headers)
        assert (late.status_code, late.json()["code"]) == (507, "InsufficientStorage")
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "uploads are refused" in ready.json()["checks"]["disk"]
        assert list((disk / "data" / ".incoming").iterdir()) == []

        assert graphql(client, DELETE, id=sent["blob_id"]) == "DeletedBlob"
        assert not list((disk / "data" / "originals").rglob(sent["blob_id"]))
        assert graphql(client, CREATE) == "CreatedUpload"
        assert client.get("/readyz").json()["checks"]["disk"] == "ok"

        other.unlink()
        service._reserve.fill()
        assert (disk / "data" / "reserve").exists()
    service.stores.database.close()
    os.close(service._lock)


def test_pictures_that_a_command_deletes_make_room(disk: Path) -> None:
    """The command uses the space that is held for deletions; the service deletes the files."""
    settings = Settings(data=disk / "data", reserve_bytes=2_000_000, workers=1, webhook_workers=1)
    service = Service(
        settings, ScriptedDetector(), base_url=BASE, keyless=True, make_thumbnail=thumbnail_here
    )
    with AppClient(service.app, BASE) as client:
        created = client.post("/blobs").json()
        url, headers = created["upload_url"], created["upload_headers"]
        assert client.put(url, content=b"x" * 4_000_000, headers=headers).status_code == 200
        other = fill(disk)
        assert main(["delete", "--owner", "local", "--yes", "--data", str(disk / "data")]) == 0
        service.worker.start()
        wait_until(lambda: not list((disk / "data" / "originals").rglob(created["blob_id"])))
        assert graphql(client, CREATE) == "CreatedUpload"
        other.unlink()
        service.worker.stop(PATIENCE)
    service.stores.database.close()
    os.close(service._lock)
