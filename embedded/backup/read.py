"""Read backups: find them, and check each part against the manifest."""

from __future__ import annotations

import errno
import hashlib
from typing import TYPE_CHECKING, Final

from core.domain.errors import LabellingError, ObjectNotFound, Unavailable
from embedded.backup.manifest import (
    DATABASE,
    LISTING,
    MANIFEST,
    BackupDamaged,
    LaterFormat,
    Part,
    backups_in,
    by_age,
    file_name,
    load_manifest,
    load_original,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from embedded.backup.manifest import Manifest, Original
    from embedded.backup.targets import BackupTarget

_DISK_ERRORS: Final = frozenset({errno.EIO, errno.EBADMSG, errno.EUCLEAN})
UNREADABLE: Final = -1  # older than each backup that can be restored


class NoBackup(LabellingError):
    """The target has no whole backup, or not the one that was named."""


def choose_backup(target: BackupTarget, name: str | None, work: Path) -> str:
    """Return the name of a whole backup: the named one, or the newest.

    `work` is a folder for copies of manifests. Where the one with the latest name can't be read,
    it may be the newest, and it is returned. Raises NoBackup.
    """
    backups = backups_in(found for found, _ in target.sizes())
    whole = [backup for backup, complete in backups.items() if complete]
    if name is None and whole:
        numbers = read_numbers(target, whole, work)
        return by_age(numbers)[-1] if numbers[whole[-1]] != UNREADABLE else whole[-1]
    if name in whole:
        return str(name)
    if whole:
        raise NoBackup(f"The target has no backup {name}. It has {', '.join(whole)}.")
    raise NoBackup("The target has no whole backup. Make one with 'labelling backup TARGET'.")


def read_numbers(target: BackupTarget, whole: Iterable[str], work: Path) -> dict[str, int]:
    """Return the numbers of whole backups, UNREADABLE for one whose manifest is damaged.

    Raises Unavailable, or LaterFormat: a later program's backup may be the newest.
    """
    numbers = {}
    for backup in whole:
        try:
            numbers[backup] = read_manifest(target, backup, work).number
        except LaterFormat:
            raise
        except (BackupDamaged, ObjectNotFound):
            numbers[backup] = UNREADABLE
    return numbers


def read_manifest(target: BackupTarget, backup: str, work: Path) -> Manifest:
    """Return the manifest of a backup. Raises BackupDamaged or ObjectNotFound."""
    path = work / MANIFEST
    target.get(file_name(backup, MANIFEST), path)
    return load_manifest(path.read_bytes())


def read_listing(target: BackupTarget, backup: str, work: Path) -> Iterator[Original]:
    """Return the pictures of a backup. Raises BackupDamaged or ObjectNotFound."""
    path = work / f"{backup}.{LISTING}"
    manifest = read_manifest(target, backup, work)
    get_part(target, file_name(backup, LISTING), manifest.listing, path)
    with path.open(encoding="utf-8") as lines:
        yield from map(load_original, lines)
    path.unlink()


def get_database(target: BackupTarget, backup: str, manifest: Manifest, into: Path) -> None:
    """Copy the database of a backup. Raises BackupDamaged or ObjectNotFound."""
    get_part(target, file_name(backup, DATABASE), manifest.database, into)


def get_part(target: BackupTarget, name: str, part: Part, into: Path) -> None:
    """Copy a part of a backup. Raises BackupDamaged if it has other bytes, or ObjectNotFound."""
    target.get(name, into)
    if (found := digest_of(into)) != part:
        raise BackupDamaged(
            f"{name} in the backup has {found.bytes} bytes with SHA-256 {found.sha256}, but was "
            f"stored with {part.bytes} and {part.sha256}."
        )


def digest_of(path: Path) -> Part:
    """Return digest and size of a file. Raises OSError."""
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        return Part(sha256, stream.tell())


def check_original(target: BackupTarget, original: Original, into: Path) -> str | None:
    """Copy the bytes of a picture; return what is wrong with them, or None. Raises Unavailable."""
    try:
        get_part(target, original.name, original.part, into)
    except ObjectNotFound:
        return "the backup has no bytes of it"
    except BackupDamaged as exc:
        return str(exc)
    except Unavailable as exc:
        if not is_disk_error(exc.__cause__):
            raise
        return f"the backup's bytes of it can't be read: {exc}"
    return None


def is_disk_error(error: BaseException | None) -> bool:
    """Tell whether a disk could not read the bytes of a file; others may be readable."""
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS
