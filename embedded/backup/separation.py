"""Keep backups apart from the data that they are of. Pure, except that links are followed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.domain.errors import InvalidValue
from embedded.backup.manifest import BACKUPS, ORIGINALS
from embedded.s3 import read_address

if TYPE_CHECKING:
    from embedded.s3 import BucketAddress


def require_apart(target: str, data: Path, storage: str | None = None) -> None:
    """Raise InvalidValue if backups in `target` would share a place with the data folder.

    A backup deletes what it does not know below the target. `storage` is the address of the bucket
    of images, if they are in one.
    """
    if target.startswith("s3:"):
        address = read_address("target", target)
        if storage and _overlap(address, read_address("storage", storage)):
            raise InvalidValue(
                "target", f"{target} holds the images of {storage}: name another bucket or prefix"
            )
        return
    backups, folder = Path(target).resolve(), data.resolve()
    if backups == folder or folder in backups.parents or backups in folder.parents:
        raise InvalidValue(
            "target",
            f"{backups} and the data folder {folder} are one folder, or one is inside the other: "
            "name a folder beside it, best on another disk",
        )


def _overlap(target: BucketAddress, images: BucketAddress) -> bool:
    """Tell whether names of the backups are among those of the images, or the reverse."""
    if (target.bucket, target.endpoint) != (images.bucket, images.endpoint):
        return False
    kept = f"{images.prefix}{ORIGINALS}/"
    used = [f"{target.prefix}{folder}/" for folder in (ORIGINALS, BACKUPS)]
    return any(kept.startswith(each) or each.startswith(kept) for each in used)
