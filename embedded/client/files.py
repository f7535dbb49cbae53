"""Files to import: found in folders, read in chunks, identified by their digest."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHUNK_BYTES: Final = 1024**2


def find_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files among `paths` and all files in the folders among them, sorted by name.

    Hidden files and folders inside a folder are left out. Links to folders are not followed, so
    that no file comes twice. Raises FileNotFoundError for a path that does not exist.
    """
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"No such file or folder: {path}")
        if not path.is_dir():
            yield path
            continue
        for folder, names, files in os.walk(path):
            names[:] = sorted(name for name in names if not name.startswith("."))
            yield from (Path(folder, each) for each in sorted(files) if not each.startswith("."))


def digest_of(path: Path) -> tuple[str, int]:
    """Return the SHA-256 (base64) and the size of a file in bytes. Raises OSError."""
    digest, size = hashlib.sha256(), 0
    for chunk in read_chunks(path):
        digest.update(chunk)
        size += len(chunk)
    return base64.b64encode(digest.digest()).decode(), size


def read_chunks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, one chunk after the other. Raises OSError."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
