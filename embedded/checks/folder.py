"""Checks of a data folder as a folder: that it is there, who may use it, and what is left over."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from core.backends.sqlite_migrations import COPY_SUFFIX
from core.storage.disk_reserve import READ_ONLY, is_read_only, unwritable_folders
from embedded.checks.findings import Finding, ok, problem, warning
from embedded.data.folder import DATABASE
from embedded.data.lock import server_of_deleted
from labeller.detectors.registry import MODEL_NAME, PEOPLE_MODEL_NAME
from labeller.detectors.shipped import shipped_network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def check_folder(data: Path) -> Finding:
    """Check that the folder is there or can be made, and that this user alone uses it."""
    where = data.absolute()
    if not data.exists():
        return _missing(data)
    if not data.is_dir():
        return problem("data folder", f"{where} is not a folder: name another with --data.")
    files = [path for path in data.glob(f"{DATABASE}*") if not os.access(path, os.W_OK)]
    folders = unwritable_folders(data)
    unusable = [*folders, *(path.name for path in files)]
    paths = [*folders, *map(str, files)]
    read_only = [path for path in paths if is_read_only(path)]
    if read_only:
        return problem(
            "data folder",
            f"{', '.join(read_only)} can't be written: {READ_ONLY}.",
        )
    if unusable:
        return problem(
            "data folder",
            f"This user can't write {', '.join(unusable)} in {where}: run as its owner, "
            f"or 'chown -R' it to the service's user.",
        )
    if stat.S_IMODE(data.stat().st_mode) & 0o077:
        return warning(
            "data folder",
            f"Other users can read {where}: run 'chmod 700 {where}', or start the "
            "service, which does it.",
        )
    return ok("data folder", f"{where}")


def _missing(data: Path) -> Finding:
    where = data.absolute()
    if process := server_of_deleted(data):
        return problem(
            "data folder",
            f"{where} was deleted, but process {process} still serves it, and accepts nothing: "
            "stop it, restore a backup with 'labelling restore', and start it again.",
        )
    parent = next(each for each in where.parents if each.exists())
    if os.access(parent, os.W_OK):
        return ok("data folder", f"{where} does not exist yet: the first start creates it.")
    return problem(
        "data folder", f"{where} can't be created: {parent} is not writable for this user."
    )


def find_left_over(data: Path) -> Iterator[Finding]:
    """Name files that this version doesn't need, and when to delete them."""
    for copy in sorted(data.glob(f"{DATABASE}{COPY_SUFFIX}*")):
        yield ok(
            "left over",
            f"{copy.absolute()} ({copy.stat().st_size / 1e6:.1f} MB) is the database from before an"
            " upgrade: delete it once you don't want to return to the earlier version.",
        )
    for network in sorted((data / "model").glob("*.onnx")):
        if network.name not in (MODEL_NAME, PEOPLE_MODEL_NAME) or shipped_network(network.name):
            yield ok(
                "left over",
                f"{network.absolute()} ({network.stat().st_size / 1e6:.1f} MB) is not used by this "
                "version: delete it.",
            )
