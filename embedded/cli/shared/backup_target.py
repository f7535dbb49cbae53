"""The backups that commands read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from embedded.backup.targets import FolderTarget, open_target
from embedded.cli.shared.errors import MissingFolder
from embedded.s3 import s3_client

if TYPE_CHECKING:
    from embedded.backup.targets import BackupTarget


def existing_target(address: str) -> BackupTarget:
    """Return the target of backups. Raises MissingFolder or InvalidValue."""
    target = open_target(address, s3_client)
    if isinstance(target, FolderTarget) and not Path(address).is_dir():
        raise MissingFolder(
            f"There is no folder {Path(address).absolute()}. Name the TARGET that backups go to."
        )
    return target
