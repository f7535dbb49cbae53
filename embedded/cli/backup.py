"""`labelling backup`: make a backup of the data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.domain.clock import utc_now
from embedded.backup.create import BackupMaker
from embedded.backup.targets import open_target
from embedded.cli.settings_options import settings_options
from embedded.cli.stores import opened_stores
from embedded.client.progress import progress, say
from embedded.s3 import s3_client

if TYPE_CHECKING:
    from embedded.settings import Settings


@click.command()
@click.argument("target")
@settings_options("data", "backup_keep")
def backup(settings: Settings, target: str) -> int:
    """Back up the data folder to TARGET, while the service runs or not.

    TARGET is a folder, or s3://BUCKET/PREFIX, with ?endpoint=URL for a store that is not Amazon's.
    Only pictures that it lacks are copied. The exit status is 1 if bytes of a picture are missing
    or damaged; the backup has everything else.
    """
    into = open_target(target, s3_client)
    with opened_stores(settings) as stores, progress("Backing up", None) as (show, _):
        maker = BackupMaker(settings.data, stores, utc_now)
        made = maker.make(into, settings.backup_keep, lambda read: show(read, ""))
    for key in made.missing:
        say(f"{key}: its bytes are missing.")
    for key in made.damaged:
        say(f"{key}: its bytes are not those that were uploaded.")
    click.echo(f"Backup {made.name} has {made.originals} pictures, {made.copied} of them new.")
    return 1 if made.missing or made.damaged else 0
