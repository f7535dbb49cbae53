"""`labelling move`: move a data folder into a stack on AWS."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from core.domain.errors import LabellingError
from core.storage.s3 import client_config
from embedded.aws_clients import aws_client
from embedded.change_feed import has_unread
from embedded.cli.settings_options import settings_options
from embedded.cli.stores import dynamodb_table, opened_stores
from embedded.client.progress import progress, say
from embedded.data_lock import DataInUse, hold
from embedded.encryption import load_keys
from embedded.move.mover import Mover, Outcome
from embedded.move.owners import OwnerMover
from embedded.move.target import Target
from embedded.originals import open_storage

if TYPE_CHECKING:
    from collections.abc import Callable

    from embedded.settings import Settings
    from embedded.stores import Stores


class NotSettled(LabellingError):
    """The service was stopped before it had processed what it stored."""


@click.command()
@click.option("--to-table", "table", required=True, metavar="NAME", help="The stack's table.")
@click.option("--to-bucket", "bucket", required=True, metavar="NAME", help="The stack's bucket.")
@settings_options("data")
def move(settings: Settings, table: str, bucket: str) -> int:
    """Move the data folder into a stack on AWS.

    The stack is deployed, and nothing uses it yet. While the service runs, what it has finished is
    copied. When it is stopped, the rest is copied and everything compared. A command that was
    interrupted continues when it is run again. The exit status is 1 if something could not be
    copied, or differs.
    """
    target = Target(
        dynamodb_table(table), aws_client("s3", config=client_config()), bucket, load_keys(settings)
    )
    with opened_stores(settings) as stores:
        lock = None
        with suppress(DataInUse):
            lock = hold(settings.data)
        if lock is None:
            with progress("Copying", None) as (show, _):
                outcome = copy_finished(settings, stores, target, lambda read: show(read, ""))
            say_all("Copied", outcome)
            say("The service runs: stop it, and run the command again for the rest.")
            return 1 if outcome.problems else 0
        try:
            check_settled(stores)
            with progress("Copying", None) as (show, _):
                copied = copy_all(settings, stores, target, lambda read: show(read, ""))
            say_all("Copied", copied)
            with progress("Comparing", None) as (show, _):
                compared = compare(settings, stores, target, lambda read: show(read, ""))
        finally:
            os.close(lock)
    for problem in compared.problems:
        say(problem)
    total = ", ".join(f"{number} {kind}" for kind, number in compared.seen.items())
    click.echo(f"Compared {total}: {len(compared.problems)} differ.")
    return 1 if copied.problems or compared.problems else 0


def check_settled(stores: Stores) -> None:
    """Raise NotSettled if changes wait for their webhooks, which the stack would not know of."""
    if has_unread(stores.blobs):
        raise NotSettled(
            "The service has changes to process: start it, wait some seconds, and stop it again."
        )
    if waiting := stores.quarantine.depth() + stores.quarantine.dead_depth():
        say(f"{waiting} changes are in quarantine, and their webhooks do not move.")


def copy_finished(
    settings: Settings, stores: Stores, target: Target, show: Callable[[int], None]
) -> Outcome:
    """Copy the blobs that the running service has finished, their bytes and their webhooks."""
    storage = open_storage(settings.data, stores.database)
    return Mover(stores, storage, target, everything=False).run(show)


def copy_all(
    settings: Settings, stores: Stores, target: Target, show: Callable[[int], None]
) -> Outcome:
    """Copy everything that the stack lacks. The keys are last: with them clients can use it."""
    mover = Mover(stores, open_storage(settings.data, stores.database), target, everything=True)
    owners = OwnerMover(stores, target, mover.outcome)
    owners.move_owners()
    mover.run(show)
    owners.move_keys()
    return mover.outcome


def compare(
    settings: Settings, stores: Stores, target: Target, show: Callable[[int], None]
) -> Outcome:
    """Compare everything, and change nothing."""
    storage = open_storage(settings.data, stores.database)
    mover = Mover(stores, storage, target, everything=True, write=False)
    owners = OwnerMover(stores, target, mover.outcome, write=False)
    owners.move_owners()
    mover.run(show)
    owners.move_keys()
    return mover.outcome


def say_all(what: str, outcome: Outcome) -> None:
    """Print how much was copied, and what could not be."""
    copied = ", ".join(f"{number} {kind}" for kind, number in outcome.copied.items() if number)
    say(f"{what} {copied or 'nothing'}.")
    for problem in outcome.problems:
        say(problem)
