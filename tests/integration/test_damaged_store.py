"""The embedded service when its database is deleted, replaced or damaged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.domain.errors import Unavailable
from embedded.checks.integrity import check_in_background
from embedded.data.folder import DATABASE
from embedded.service import Service
from embedded.settings import Settings
from tests.support.images.detectors import ScriptedDetector, thumbnail_here
from tests.support.services.app_client import AppClient
from tests.support.services.damaged_database import damage_table
from tests.support.waiting import PATIENCE, wait_until

BASE = "http://127.0.0.1:8000"
CREATE = "mutation { createUpload(input: {contentType: JPEG}) { __typename } }"


def open_service(data: Path) -> Service:
    return Service(
        Settings(data=data, workers=1, webhook_workers=1),
        ScriptedDetector(),
        base_url=BASE,
        keyless=True,
        make_thumbnail=thumbnail_here,
    )


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = open_service(tmp_path)
    service.worker.start()
    wait_until(lambda: service.worker.health_error() is None)
    yield service
    service.worker.stop(PATIENCE)
    service.stores.database.close()
    os.close(service._lock)


def put(client: AppClient, upload: dict[str, Any]) -> tuple[int, str]:
    answer = client.put(upload["upload_url"], content=b"picture", headers=upload["upload_headers"])
    return answer.status_code, answer.json()["code"] if answer.content else ""


def assert_rejects_writes(client: AppClient, upload: dict[str, Any], reason: str) -> None:
    """Check that nothing is acknowledged any more, and that readiness shows why."""
    assert put(client, upload) == (503, "ServiceUnavailable")
    (error,) = client.post("/graphql", json={"query": CREATE}).json()["errors"]
    assert error["extensions"]["code"] == "SERVICE_UNAVAILABLE"
    assert client.post("/blobs").status_code == 503
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert reason in ready.json()["checks"]["store"]


@pytest.mark.parametrize("names", [[DATABASE], [f"{DATABASE}-wal"], [DATABASE, f"{DATABASE}-wal"]])
def test_deleted_files_stop_writes(service: Service, tmp_path: Path, names: list[str]) -> None:
    """The open files could still be written, and all of it would be lost at the end."""
    with AppClient(service.app, BASE) as client:
        upload = client.post("/blobs").json()
        for name in names:
            (tmp_path / name).unlink()
        assert_rejects_writes(client, upload, "deleted")
        assert client.get("/healthz").status_code == 200


def test_replaced_file_stops_writes(service: Service, tmp_path: Path) -> None:
    """As when a backup is restored under a running service."""
    with AppClient(service.app, BASE) as client:
        upload = client.post("/blobs").json()
        shutil.copy(tmp_path / DATABASE, tmp_path / "copy")
        (tmp_path / "copy").replace(tmp_path / DATABASE)
        assert_rejects_writes(client, upload, "replaced")


def test_background_check_finds_damage_and_stops_writes(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with AppClient(service.app, BASE) as client:
        upload = client.post("/blobs").json()
        service.stores.database._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        damage_table(tmp_path / DATABASE, "label_entries")
        check_in_background(service.stores.database)
        assert_rejects_writes(client, upload, "damaged")
    assert "database unfit" in caplog.text


def test_damaged_database_is_an_error_at_start(tmp_path: Path) -> None:
    """The message has the remedy."""
    service = open_service(tmp_path)
    service.stores.database.close()
    os.close(service._lock)
    damage_table(tmp_path / DATABASE, "label_entries")
    with pytest.raises(Unavailable, match="damaged"):
        open_service(tmp_path)


def test_readiness_writes_nothing(service: Service) -> None:
    with AppClient(service.app, BASE) as client:
        has_written = service.stores.database.watch()
        wait_until(lambda: not has_written())  # the first round of maintenance is over
        for _ in range(20):
            assert client.get("/readyz").status_code == 200
        assert not has_written()
