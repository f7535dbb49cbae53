"""`labelling backup`: make a backup of the data folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from core.domain.clock import utc_now
from embedded.backup.create import BackupMaker
from embedded.backup.ownership import open_target_of
from embedded.backup.separation import require_apart
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_stores
from embedded.client.progress import progress, say

if TYPE_CHECKING:
    from embedded.settings import Settings

LATER_DATED: Final = (
    "has a later date, but is older: a clock was wrong, or is now. The numbers in the manifests "
    "decide which backups are kept"
)
UNREADABLE: Final = (
    "is damaged, so that its pictures are not known: no picture is deleted from the target until a "
    "newer backup takes its place"
)


@click.command()
@click.argument("target")
@click.option(
    "--keep",
    "--backup-keep",
    "keep",
    metavar="INTEGER",
    type=click.IntRange(1),
    help="Delete all but the newest so many backups (default: delete none).",
)
@settings_options("data")
def backup(settings: Settings, target: str, keep: int | None) -> int:
    """Back up the data folder to TARGET, while the service runs or not.

    TARGET is a folder, or s3://BUCKET/PREFIX, with ?endpoint=URL for a store that is not Amazon's.
    Only pictures that it lacks are copied. It must not have the backups of another data folder, nor
    be inside the data folder. The exit status is 1 if bytes of a picture are missing or damaged,
    and the backup has everything else; or if older backups are damaged, or could not be deleted.
    """
    require_apart(target, settings.data)
    with opened_stores(settings) as stores, progress("Backing up", None) as (show, _):
        into = open_target_of(target, settings.data, stores.database)
        maker = BackupMaker(settings.data, stores, utc_now)
        made = maker.make(into, keep, lambda read: show(read, ""))
    for key in made.missing:
        say(f"{key}: its bytes are missing.")
    for key in made.damaged:
        say(f"{key}: its bytes are not those that were uploaded.")
    click.echo(f"Backup {made.name} has {made.originals} pictures, {made.copied} of them new.")
    for name in made.later_dated:
        say(f"Backup {name} {LATER_DATED}.")
    for name in made.unreadable:
        say(f"Backup {name} {UNREADABLE}.")
    if made.deleted:
        click.echo(f"Deleted the older backups {', '.join(made.deleted)}.")
    if made.prune_error:
        say(f"Older backups were not deleted: {made.prune_error}")
    return 1 if made.lacking or made.unreadable or made.prune_error else 0
