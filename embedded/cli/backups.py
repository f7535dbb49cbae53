"""`labelling backups`: list backups."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.domain.errors import ObjectNotFound
from embedded.backup.manifest import BackupDamaged, backups_in, by_age
from embedded.backup.read import read_manifest, read_numbers
from embedded.cli.shared.backup_target import existing_target
from embedded.cli.shared.client_options import check_settings
from embedded.cli.shared.lists import json_option, print_list
from embedded.client.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embedded.backup.manifest import Manifest


@click.command()
@click.argument("target")
@json_option
@check_settings
def backups(target: str, *, as_json: bool) -> int:
    """List the backups in TARGET, oldest first.

    The number of each decides the order, not its date. INCOMPLETE is one that lacks pictures,
    because their bytes were lost or damaged before. In JSON, `number`, `missing` and `damaged` are
    null where an earlier version did not record them. The exit status is 1 if a manifest is
    damaged: it is named, and the other backups are listed.
    """
    source = existing_target(target)
    damaged: list[str] = []

    def found() -> Iterator[tuple[str, Manifest]]:
        with tempfile.TemporaryDirectory() as work:
            backups = backups_in(name for name, _ in source.sizes())
            whole = [name for name, complete in backups.items() if complete]
            for name in by_age(read_numbers(source, whole, Path(work))):
                try:
                    yield name, read_manifest(source, name, Path(work))
                except (BackupDamaged, ObjectNotFound) as exc:
                    say(f"Backup {name}: {exc}")
                    damaged.append(name)

    print_list(
        found(),
        as_json=as_json,
        record=lambda each: {
            "name": each[0],
            "number": each[1].number or None,
            "created_at": each[1].created_at,
            "service": each[1].service,
            "originals": each[1].originals,
            "original_bytes": each[1].original_bytes,
            "database_bytes": each[1].database.bytes,
            "missing": each[1].missing if each[1].recorded else None,
            "damaged": each[1].damaged if each[1].recorded else None,
        },
        line=lambda each: (
            f"{each[0]}  {each[1].originals} pictures, {each[1].original_bytes / 1e6:.1f} MB"
            f"{_lacking(each[1])}"
        ),
        empty="No backups.",
    )
    return 1 if damaged else 0


def _lacking(manifest: Manifest) -> str:
    if not manifest.lacking:
        return ""
    return f"; INCOMPLETE: {len(manifest.missing)} missing, {len(manifest.damaged)} damaged"
