"""Which data folder the backups in a target are of: two would delete each other's pictures."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from core.domain.errors import LabellingError
from embedded.backup.manifest import OWNER
from embedded.backup.separation import require_apart
from embedded.backup.targets import open_target
from embedded.data.originals import stored_address
from embedded.s3 import s3_client

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from core.backends.sqlite import Database
    from embedded.backup.targets import BackupTarget

_FACT: Final = "data_id"  # a restored folder has that of the folder that was backed up


class TargetInUse(LabellingError):
    """The target has the backups of another data folder."""


def data_id(database: Database) -> str:
    """Return the id of a data folder; the first call makes it. Raises Unavailable."""
    return database.get_or_create(_FACT, lambda: secrets.token_hex(16))


def open_target_of(address: str, data: Path, database: Database) -> BackupTarget:
    """Return the target for the backups of a data folder.

    Raises InvalidValue where the target and the data share a place.
    """
    require_apart(address, data, stored_address(database))
    return open_target(address, s3_client)


def claim(target: BackupTarget, names: Collection[str], own: str, work: Path) -> None:
    """Mark a target as that of the data folder with the id `own`.

    `names` are those in the target, `work` is a folder for the mark. A target without a mark is
    new, or of an earlier version. Raises TargetInUse.
    """
    mark = work / OWNER
    if OWNER not in names:
        mark.write_text(f"{own}\n", encoding="ascii")
        target.put(OWNER, mark)
        return
    target.get(OWNER, mark)
    found = mark.read_text(encoding="utf-8", errors="replace").strip()
    if found != own:
        raise TargetInUse(
            f"The target has the backups of another data folder, with the id {found}; that of this "
            f"folder is {own}. Name another target. Only if this folder replaces the other one, "
            f"delete the file {OWNER} in the target."
        )
