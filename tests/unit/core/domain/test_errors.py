"""Adapters translate foreign errors into ours, and chain the original."""

from __future__ import annotations

import errno
import io
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import core.domain.errors
from core.backends.sqlite import Database
from core.domain.errors import (
    BlobNotFound,
    InvalidValue,
    LabellingError,
    ObjectNotFound,
    PictureRefused,
    Unavailable,
    VersionConflict,
)
from core.storage.files import FileStorage
from core.storage.signed_url import UrlSigner

# These report a mistake in our own statements or calls, not a fault of the file: no retry helps.
OUR_MISTAKES = {
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.Error,
}
SQLITE_ERRORS = [
    each
    for each in vars(sqlite3).values()
    if isinstance(each, type) and issubclass(each, sqlite3.Error)
]
KEY = "originals/anna/1"


def subclasses(cls: type) -> list[type]:
    return [found for each in cls.__subclasses__() for found in (each, *subclasses(each))]


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path, UrlSigner(b"secret", "http://localhost"))


@pytest.mark.parametrize("error", SQLITE_ERRORS)
@pytest.mark.parametrize("block", ["read", "write"])
def test_every_sqlite_error_is_translated(
    database: Database, block: str, error: type[sqlite3.Error]
) -> None:
    """To Unavailable, unless it shows a mistake in our own code."""
    original = error("fault")
    wanted = error if error in OUR_MISTAKES else Unavailable
    with pytest.raises(wanted, match="fault") as caught, getattr(database, block)():
        raise original
    assert error in OUR_MISTAKES or caught.value.__cause__ is original


def test_own_errors_are_not_translated(database: Database) -> None:
    with pytest.raises(InvalidValue, match="first"), database.write():
        raise InvalidValue("first", "no")


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EMFILE])
@pytest.mark.parametrize("call", ["put", "open", "size", "delete"])
def test_file_system_error_is_unavailable(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """In every call."""
    original = OSError(code, "fault")

    def fail(*_: Any, **__: Any) -> Any:
        raise original

    for name in ("open", "stat", "unlink", "replace"):
        monkeypatch.setattr(Path, name, fail)
    arguments = (KEY, b"bytes") if call == "put" else (KEY,)
    with pytest.raises(Unavailable, match=KEY) as caught:
        getattr(storage, call)(*arguments)
    assert caught.value.__cause__ is original


@pytest.mark.parametrize("call", ["open", "size"])
def test_missing_file_is_object_not_found(storage: FileStorage, call: str) -> None:
    """The error has the key."""
    with pytest.raises(ObjectNotFound, match=KEY) as caught:
        getattr(storage, call)(KEY)
    assert caught.value.key == KEY
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_full_disk_leaves_no_part_of_an_upload(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old bytes stay."""
    storage.put(KEY, b"before")

    class Full(io.FileIO):
        def write(self, _: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fdopen", lambda descriptor, mode, **_: Full(descriptor, mode))
        with pytest.raises(Unavailable, match="No space"):
            storage.put(KEY, b"after")
    with storage.open(KEY) as stream:
        assert stream.read() == b"before"
    assert list((tmp_path / ".incoming").iterdir()) == []


def test_errors_have_their_facts_as_attributes() -> None:
    missing = BlobNotFound("01ARYZ")
    assert (missing.blob_id, str(missing)) == ("01ARYZ", "No blob 01ARYZ.")
    refused = PictureRefused("CORRUPT_IMAGE", "The picture breaks off.")
    assert (refused.code, refused.message) == ("CORRUPT_IMAGE", str(refused))
    conflict = VersionConflict("01ARYZ", 3)
    assert (conflict.blob_id, conflict.expected) == ("01ARYZ", 3)


def test_documented_error_tree_is_complete() -> None:
    """Each error is below its parent."""
    drawn: dict[str, str] = {}
    branch: list[str] = []
    for line in (core.domain.errors.__doc__ or "").splitlines():
        if found := re.match(r"    ([│├└─ ]*)(\w+)", line):
            depth = len(found[1]) // 4
            branch[depth:] = [found[2]]
            drawn[found[2]] = branch[depth - 1] if depth else ""
    real = {
        each.__name__: each.__mro__[1].__name__
        for each in subclasses(LabellingError)
        if each.__module__ == core.domain.errors.__name__
    }
    assert drawn == {"LabellingError": "", **real}
