"""What a backup consists of. Pure: nothing here does I/O.

A target holds any number of backups. They share the pictures, which have their digests as names:

    originals/<first two digits>/<SHA-256>      the bytes of a picture
    backups/<time>/labelling.sqlite             the database
    backups/<time>/originals.tsv                key, SHA-256 and bytes of each picture
    backups/<time>/manifest.json                the digests of the two; written last
    data-folder                                 the id of the data folder that they are of

A backup without its manifest is not whole. Its name is the time of a clock that may have been
wrong: the number in its manifest tells which one is newer.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

FORMAT: Final = 3
DATABASE: Final = "labelling.sqlite"
LISTING: Final = "originals.tsv"
MANIFEST: Final = "manifest.json"
BACKUPS: Final = "backups"
ORIGINALS: Final = "originals"
OWNER: Final = "data-folder"
MISSING: Final = "its bytes were missing when the backup was made"
DAMAGED: Final = "its bytes were not those that were uploaded, when the backup was made"
_NAME: Final = re.compile(rf"{BACKUPS}/(\d{{8}}T\d{{6}}Z)/")
# A picture, or the part of one that a killed backup left.
_STORED: Final = re.compile(rf"{ORIGINALS}/[0-9a-f]{{2}}/([0-9a-f]{{64}}|\.[0-9a-f]{{16}})")


class BackupDamaged(LabellingError):
    """A backup, or a part of it, is not what its manifest says."""


class LaterFormat(BackupDamaged):
    """A later version of the program made a backup."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a backup: its SHA-256 in hexadecimal digits, and its size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The parts of one backup. `originals` and `original_bytes` count the pictures that it has.

    The database names more: the keys in `missing`, of pictures whose bytes were lost before. Those
    in `damaged` are in the backup, but with other bytes than were uploaded. `number` counts the
    backups of a target from 1; 0 where an earlier version did not number them.
    """

    created_at: str
    service: str
    database: Part
    listing: Part
    originals: int
    original_bytes: int
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    number: int = 0
    format: int = FORMAT

    @property
    def recorded(self) -> bool:
        """Whether `missing` and `damaged` are known: format 1 did not have them."""
        return self.format > 1

    @property
    def lacking(self) -> int:
        """The number of pictures whose uploaded bytes are not in the backup."""
        return len(self.missing) + len(self.damaged)

    @property
    def problems(self) -> dict[str, str]:
        """What the backup lacks: what is wrong, by the key of the picture."""
        return dict.fromkeys(self.missing, MISSING) | dict.fromkeys(self.damaged, DAMAGED)


@dataclass(frozen=True, slots=True)
class Original:
    """A picture of a backup: its object key, and its bytes' digest and number."""

    key: str
    part: Part

    @property
    def name(self) -> str:
        """The name of the bytes in the target."""
        return original_name(self.part.sha256)


def original_name(sha256: str) -> str:
    """Return the name in a target of bytes with this digest, in hexadecimal digits."""
    return f"{ORIGINALS}/{sha256[:2]}/{sha256}"


def backup_name(at: datetime, taken: Collection[str] = ()) -> str:
    """Return the name of a backup made at a time (UTC, to the second), or soon after.

    A name that is taken would replace files of a whole backup.
    """
    while (name := f"{at:%Y%m%dT%H%M%SZ}") in taken:
        at += timedelta(seconds=1)
    return name


def file_name(backup: str, file: str) -> str:
    """Return the name in a target of a backup's file."""
    return f"{BACKUPS}/{backup}/{file}"


def backups_in(names: Iterable[str]) -> dict[str, bool]:
    """Return the backups that these names belong to, by name, and whether each is whole."""
    found: dict[str, bool] = {}
    for name in names:
        if match := _NAME.match(name):
            backup = match[1]
            found[backup] = found.get(backup, False) or name == file_name(backup, MANIFEST)
    return dict(sorted(found.items()))


def by_age(numbers: Mapping[str, int]) -> list[str]:
    """Return backups, oldest first, by their numbers; those with equal numbers by their names."""
    return sorted(numbers, key=lambda backup: (numbers[backup], backup))


def surplus(backups: Iterable[str], oldest_first: Sequence[str], keep: int | None) -> list[str]:
    """Return the backups to delete: those not whole, and all but the newest `keep` whole ones.

    `oldest_first` are the whole ones. Without `keep`, each of them stays.
    """
    kept = set(oldest_first if keep is None else oldest_first[-keep:])
    return [backup for backup in backups if backup not in kept]


def unused(stored: Iterable[str], used: Collection[str]) -> Iterator[str]:
    """Return the names of the stored pictures that no backup lists, and of nothing else."""
    return (name for name in stored if _STORED.fullmatch(name) and name not in used)


def dump_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as the JSON that `load_manifest` reads."""
    return json.dumps(asdict(manifest), indent=2).encode() + b"\n"


def load_manifest(content: bytes) -> Manifest:
    """Read a manifest. Raises BackupDamaged."""
    try:
        read = json.loads(content)
        if read["format"] > FORMAT:
            raise LaterFormat(
                f"The backup has format {read['format']}, but this program reads {FORMAT}: update "
                "the program."
            )
        parts = {name: Part(**read[name]) for name in ("database", "listing")}
        keys = {name: tuple(read.get(name, ())) for name in ("missing", "damaged")}
        return Manifest(**(read | parts | keys))
    except (ValueError, KeyError, TypeError) as exc:
        raise BackupDamaged(f"The backup's {MANIFEST} can't be read: {exc!r}") from exc


def dump_original(original: Original) -> str:
    """Return a line of the listing. An object key has no tabs and no ends of lines."""
    return f"{original.key}\t{original.part.sha256}\t{original.part.bytes}\n"


def load_original(line: str) -> Original:
    """Read a line of the listing. Raises BackupDamaged."""
    try:
        key, sha256, size = line.rstrip("\n").split("\t")
        return Original(key, Part(sha256, int(size)))
    except ValueError as exc:
        raise BackupDamaged(f"The backup's {LISTING} has a wrong line: {line!r}") from exc
