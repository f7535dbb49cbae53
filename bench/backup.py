"""How long a backup, a second one, a restoration and a check take.

    python bench/backup.py [--blobs N] [--bytes N] [--smoke]

The data folder has labelled blobs with random bytes. The baseline copies the same folder with
shutil.copytree, which checks nothing, and then has the system write everything to disk, as a
restoration does.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from core.domain.blob import BlobStatus
from core.domain.clock import utc_now
from core.storage.files import path_of
from embedded.backup.create import BackupMaker
from embedded.backup.restore import restore
from embedded.backup.targets import FolderTarget
from embedded.checks.verification import Verifier
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.blobs import a_blob, labelled


def main() -> None:
    options = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--blobs", type=int, default=100_000)
    options.add_argument("--bytes", type=int, default=20_000, help="of each picture")
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    if given.smoke:
        given.blobs = 50
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root / "data", given.blobs, given.bytes)
        measure(root, given.blobs)


def fill(data: Path, blobs: int, size: int) -> None:
    """Make a data folder with labelled blobs."""
    stores = open_stores(Settings(data=data))
    for start in range(0, blobs, 1000):
        with stores.database.write(synced=False):
            for _ in range(start, min(start + 1000, blobs)):
                content = os.urandom(size)
                sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode()
                blob = a_blob(utc_now(), status=BlobStatus.LABELLING, size=size, sha256=sha256)
                stores.blobs.create(blob)
                stores.blobs.save(labelled(blob, ("Cat", 90.0), ("Pet", 80.0)), blob)
                path = path_of(data, blob.key)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    stores.database.close()


def measure(root: Path, blobs: int) -> None:
    """Print a line for each operation."""
    target = FolderTarget(root / "target")
    stores = open_stores(Settings(data=root / "data"))
    maker = BackupMaker(root / "data", stores, utc_now)

    def copy() -> None:
        shutil.copytree(root / "data", root / "copy")
        os.sync()

    baseline = timed(copy)
    shutil.rmtree(root / "copy")
    print(f"{blobs} blobs\n{'copytree and sync':24} {baseline:7.1f} s  1.00 (baseline)")

    def show(name: str, call: Callable[[], object]) -> None:
        took = timed(call)
        print(f"{name:24} {took:7.1f} s  {took / baseline:.2f}", flush=True)

    show("first backup", lambda: maker.make(target, keep=2))
    show("backup without changes", lambda: maker.make(target, keep=2))
    show("restoration", lambda: restore(target, None, root / "new"))
    stores.database.close()
    restored = open_stores(Settings(data=root / "new"))
    report = Verifier(root / "new", restored).check
    show("check", lambda: print(f"{len(report().problems)} problems"))
    restored.database.close()


def timed(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


if __name__ == "__main__":
    main()
