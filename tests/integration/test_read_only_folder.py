"""The embedded service and its commands on a data folder that is mounted read-only."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embedded.cli.main import main
from embedded.cli.shared.errors import remedy_of
from embedded.data.lock import hold
from embedded.http.object_routes import NOT_STORED
from embedded.service import Service
from embedded.settings import Settings
from tests.support.images.detectors import ScriptedDetector, thumbnail_here
from tests.support.services.app_client import AppClient
from tests.support.services.small_disk import mounted_read_only

BASE = "http://127.0.0.1:8000"


@contextmanager
def read_only(data: Path) -> Iterator[None]:
    with mounted_read_only(data, data.with_name("aside")) as is_mounted:
        if not is_mounted:
            pytest.skip("mounting a folder needs root")
        yield


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command, and return what it printed."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        main(arguments)
        out, err = capsys.readouterr()
        return out + err

    return run


def test_read_only_folder_refuses_uploads_and_every_word_says_what_to_do(
    tmp_path: Path, printed: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    service = Service(
        Settings(data=data, workers=1, webhook_workers=1),
        ScriptedDetector(),
        base_url=BASE,
        keyless=True,
        make_thumbnail=thumbnail_here,
    )
    with AppClient(service.app, BASE) as client:
        made = client.post("/blobs").json()

        def put() -> int:
            url, headers = made["upload_url"], made["upload_headers"]
            return client.put(url, content=b"x", headers=headers).status_code

        with read_only(data):
            assert [put() for _ in range(3)] == [503] * 3
            (line,) = (each for each in caplog.records if each.levelname == "ERROR")
            assert (line.message, line.exc_info) == (NOT_STORED, None)
            assert "mounted read-only" in vars(line)["error"]
            assert "mounted read-only" in client.get("/readyz").json()["checks"]["disk"]
            found = printed("doctor", "--data", str(data))
            assert "mounted read-only" in found
            assert "A service runs on this data folder." in found
            assert "1 AWAITING_UPLOAD" in printed("status", "--data", str(data))
        assert put() == 200
    service.stores.database.close()
    os.close(service._lock)

    with read_only(data):  # without the service, SQLite can't open it
        found = printed("doctor", "--data", str(data))
        assert "mounted read-only" in found
        assert "SQLite needs a folder that this user can write" in found
        with pytest.raises(OSError, match="Read-only") as refused:
            hold(data)
    assert "mounted read-only" in remedy_of(refused.value)
    assert remedy_of(OSError(errno.EIO, "Input/output error")) == ""
