"""Check a data folder: the database, every picture's bytes, and the counts of labels."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from core.domain.blob import parse_original_key
from core.domain.errors import ObjectNotFound
from core.repositories.sqlite.label_counts import correct_counts, find_wrong_counts
from core.storage.durable_files import make_folder
from embedded.backup.create import has_bytes, pages_of, recorded_digest
from embedded.backup.manifest import Original, Part
from embedded.backup.read import check_original, digest_of, is_disk_error
from embedded.backup.targets import FolderTarget
from embedded.change_feed import has_unread
from embedded.data.folder import DATABASE
from embedded.data.originals import open_storage, use_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.domain.blob import Blob
    from embedded.backup.targets import BackupTarget
    from embedded.stores import Stores

THREADS: Final = 8
ORPHANS: Final = "orphans"  # the folder in the data folder that files without a blob are moved to


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, and what was done about it, if anything was."""

    subject: str
    what: str
    repaired: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. Counts of labels are not checked while changes wait to be counted."""

    blobs: int
    originals: int
    counts_checked: bool
    problems: tuple[Problem, ...]

    @property
    def unrepaired(self) -> int:
        """The number of problems that remain."""
        return sum(problem.repaired is None for problem in self.problems)


class Verifier:
    """Checks one data folder, beside the running service or without it.

    With `repair`, files without a blob are moved to the folder `orphans`, wrong counts are
    corrected, and bytes that are lost or damaged are taken from `source`, a target of backups.
    """

    def __init__(
        self,
        data: Path,
        stores: Stores,
        *,
        repair: bool = False,
        source: BackupTarget | None = None,
    ) -> None:
        self._data = data
        self._stores = stores
        self._storage = open_storage(data, stores.database)
        self._repair = repair
        self._source = source if repair else None

    def check(self, show: Callable[[int], None] = lambda _: None) -> Report:
        """Read everything once. `show` receives the number of blobs read. Raises Unavailable."""
        problems = list(self._check_database())
        blobs = originals = 0
        with ThreadPoolExecutor(THREADS) as pool:
            for page in pages_of(self._stores.blobs):
                wanted = [blob for blob in page if has_bytes(blob)]
                problems += filter(None, pool.map(self._check_original, wanted))
                blobs += len(page)
                originals += len(wanted)
                show(blobs)
        problems += self._check_files()
        counted = not has_unread(self._stores.blobs)
        if counted:
            problems += self._check_counts()
        return Report(blobs, originals, counted, tuple(problems))

    def _check_database(self) -> Iterator[Problem]:
        with self._stores.database.read() as connection:
            for (found,) in connection.execute("PRAGMA integrity_check"):
                if found != "ok":
                    yield Problem(DATABASE, f"damaged: {found}")

    def _check_original(self, blob: Blob) -> Problem | None:
        digest = recorded_digest(blob)
        try:
            found = use_file(self._storage, blob.key, digest_of)
        except ObjectNotFound:
            what = "its bytes are missing"
        except OSError as exc:
            if not is_disk_error(exc):
                raise
            what = f"its bytes can't be read: {exc.strerror}"
        else:
            if digest in (None, found.sha256) and blob.size in (None, found.bytes):
                return None
            what = f"its {found.bytes} bytes are not those that were uploaded"
        if self._stores.blobs.get(blob.id) is None:  # deleted meanwhile
            return None
        return Problem(blob.key, what, self._fetch(blob, digest))

    def _fetch(self, blob: Blob, digest: str | None) -> str | None:
        if self._source is None or digest is None or blob.size is None:
            return None
        original = Original(blob.key, Part(digest, blob.size))
        with tempfile.NamedTemporaryFile(dir=self._data) as copy:
            if check_original(self._source, original, Path(copy.name)) is not None:
                return None
            FolderTarget(self._data).put(blob.key, Path(copy.name))
        return "taken from the backup"

    def _check_files(self) -> Iterator[Problem]:
        """Find files that no blob has. A blob exists before its file, and is deleted before it."""
        for key in self._storage.remote_keys():
            if self._is_orphan(key):
                yield Problem(key, "no blob has this object of the bucket")
        root = self._data / "originals"
        for folder, _, names in os.walk(root):
            for name in names:
                path = Path(folder, name)
                key = "/".join(map(unquote, path.relative_to(self._data).parts))
                if self._is_orphan(key):
                    yield Problem(key, "no blob has this file", self._set_aside(path))

    def _is_orphan(self, key: str) -> bool:
        parsed = parse_original_key(key)
        if parsed is None:
            return True
        owner, blob_id = parsed
        blob = self._stores.blobs.get(blob_id)
        if blob is not None and blob.key == key:
            return False
        # The service deletes the file of a deleted blob, and looks for it again later.
        return not self._stores.blobs.was_deleted(owner, blob_id)

    def _set_aside(self, path: Path) -> str | None:
        if not self._repair:
            return None
        aside = self._data / ORPHANS / path.relative_to(self._data / "originals")
        make_folder(aside.parent)
        path.rename(aside)
        return f"moved to {aside.relative_to(self._data)}"

    def _check_counts(self) -> Iterator[Problem]:
        wrong = find_wrong_counts(self._stores.database)
        if wrong and self._repair:
            correct_counts(self._stores.database, self._label_name)
        for owner, label, counted, right in wrong:
            what = f"counted on {counted} blobs, but {right} have it"
            yield Problem(f"label {label} of {owner}", what, "corrected" if self._repair else None)

    def _label_name(self, blob_id: str, label: str) -> str:
        blob = self._stores.blobs.get(blob_id)
        names = [each.name for each in (blob.labels if blob else None) or ()]
        return next((name for name in names if name.casefold() == label), label)
