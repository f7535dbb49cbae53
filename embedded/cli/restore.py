"""`labelling restore`: make a data folder from a backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embedded.backup.restore import restore as restore_backup
from embedded.backup.restore import verify_backup
from embedded.backup.separation import require_apart
from embedded.cli.shared.backup_target import existing_target
from embedded.cli.shared.settings_options import settings_options
from embedded.client.progress import progress, say

if TYPE_CHECKING:
    from embedded.settings import Settings


@click.command()
@click.argument("target")
@click.option("--backup", metavar="NAME", help="The backup to use (default: the newest).")
@click.option("--check", is_flag=True, help="Read the whole backup, and restore nothing.")
@settings_options("data")
def restore(settings: Settings, target: str, backup: str | None, *, check: bool) -> int:
    """Make a data folder from a backup in TARGET.

    The data folder must not exist yet, or be empty. Each file is checked against the digest of the
    backup. The exit status is 1 if the backup lacks the uploaded bytes of a picture, also where
    they were lost before it was made; everything else is restored. An interrupted run continues
    when you run the same command again.
    """
    require_apart(target, settings.data)
    source = existing_target(target)
    with progress("Checking" if check else "Restoring", None) as (show, _):

        def shown(done: int, of: int) -> None:
            show(done, f"of {of}")

        done = (
            verify_backup(source, backup, shown)
            if check
            else restore_backup(source, backup, settings.data, shown)
        )
    for key, problem in done.problems.items():
        say(f"{key}: {problem}")
    if not done.recorded:
        say(
            "An earlier version made this backup: it does not tell which pictures were lost before."
            " 'labelling verify' finds them in a restored folder."
        )
    whole = done.pictures - len(done.problems)
    where = "are whole" if check else f"are in {settings.data}"
    click.echo(f"{whole} of {done.pictures} pictures of backup {done.backup} {where}.")
    return 1 if done.problems else 0
