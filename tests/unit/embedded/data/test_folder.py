"""Who may read a data folder."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from core.domain.thumbnail import ThumbnailSize
from core.storage.files import FileStorage
from core.storage.signed_url import UrlSigner
from embedded.data.folder import create, make_private
from embedded.data.lock import hold
from embedded.settings import Settings
from embedded.stores import open_stores


def modes(root: Path) -> dict[str, int]:
    return {
        str(path.relative_to(root)): path.stat().st_mode & 0o777
        for path in [root, *root.rglob("*")]
    }


def test_everything_new_is_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    before = os.umask(0)
    try:
        os.close(hold(data))
        stores = open_stores(Settings(data=data))
        storage = FileStorage(data, UrlSigner(b"secret", "http://testserver"))
        storage.put("originals/anna/1", b"bytes")
        storage.put_derived("originals/anna/1", ThumbnailSize.SMALL, b"small")
        found = modes(data)
        stores.database.close()
    finally:
        os.umask(before)
    assert {"labelling.sqlite", "labelling.sqlite-wal", "originals/anna/1"} <= set(found)
    folders = {".", ".incoming", "originals", "originals/anna"}
    folders |= {"derived", "derived/originals", "derived/originals/anna"}
    assert found == {name: 0o700 if name in folders else 0o600 for name in found}


def test_older_folder_is_taken_from_other_users(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = tmp_path / "data"
    data.mkdir(mode=0o755)
    (data / "labelling.sqlite").touch(0o644)
    (data / "labelling.sqlite-wal").touch(0o664)
    for _ in range(2):
        os.close(hold(data))
        found = modes(data)
        assert found["."] == 0o700
        assert {found["labelling.sqlite"], found["labelling.sqlite-wal"]} == {0o600}
    assert [record.message for record in caplog.records] == ["taken from other users"] * 3


def test_stricter_modes_stay(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o500)
    make_private(data)
    assert modes(data) == {".": 0o500}


def test_folder_of_another_user_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = tmp_path / "data"
    create(data)
    data.chmod(0o755)

    def fail(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", fail)
    make_private(data)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
