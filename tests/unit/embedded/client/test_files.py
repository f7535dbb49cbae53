"""Files found for an import."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from embedded.client.files import digest_of, find_files


def test_files_come_sorted_and_hidden_ones_are_left_out(tmp_path: Path) -> None:
    """A hidden file that is named itself is included."""
    for name in ("b", "a", ".c"):
        (tmp_path / name).touch()
    assert [path.name for path in find_files([tmp_path])] == ["a", "b"]
    assert list(find_files([tmp_path / ".c"])) == [tmp_path / ".c"]


def test_missing_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No such file or folder"):
        list(find_files([tmp_path / "none"]))


def test_digest_is_the_sha256_of_all_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embedded.client.files._CHUNK_BYTES", 4)
    (tmp_path / "a").write_bytes(b"0123456789")
    digest = base64.b64encode(hashlib.sha256(b"0123456789").digest()).decode()
    assert digest_of(tmp_path / "a") == (digest, 10)
