"""`labelling move`: move a data folder into a stack on AWS, or a stack into a data folder."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from core.domain.errors import LabellingError
from core.storage.s3 import client_config
from embedded.aws_clients import aws_client
from embedded.change_feed import has_unread
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import dynamodb_table, opened_stores
from embedded.client.progress import progress, say
from embedded.data.encryption import load_keys
from embedded.data.lock import DataInUse, hold
from embedded.data.originals import open_storage
from embedded.move.folder import Folder, begin_move, end_move
from embedded.move.mover import Mover, Outcome
from embedded.move.owners import OwnerMover
from embedded.move.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embedded.move.place import Place
    from embedded.settings import Settings
    from embedded.stores import Stores


class NotSettled(LabellingError):
    """The service was stopped before it had processed what it stored."""


@dataclass(frozen=True, slots=True)
class Move:
    """From where to where."""

    source: Place
    target: Place


@click.command()
@click.option("--to-table", metavar="NAME", help="Move to a stack: its table.")
@click.option("--to-bucket", metavar="NAME", help="Move to a stack: its bucket.")
@click.option("--from-table", metavar="NAME", help="Move from a stack: its table.")
@click.option("--from-bucket", metavar="NAME", help="Move from a stack: its bucket.")
@click.option(
    "--stopped", is_flag=True, help="The stack's functions are stopped: copy the rest, and compare."
)
@settings_options("data")
def move(  # options
    settings: Settings,
    to_table: str | None,
    to_bucket: str | None,
    from_table: str | None,
    from_bucket: str | None,
    stopped: bool,
) -> int:
    """Move the data folder into a stack on AWS, or a stack into the data folder.

    To a stack, which is deployed and which nothing uses yet: while the service runs, what it has
    finished is copied. When it is stopped, the rest is copied and everything compared.

    From a stack, to a folder that is new or of an earlier run: while the stack works, what it has
    finished is copied. When its functions are stopped, say --stopped for the rest.

    A command that was interrupted continues when it is run again. The exit status is 1 if something
    could not be copied, or differs.
    """
    match to_table, to_bucket, from_table, from_bucket:
        case str(), str(), None, None if not stopped:
            return move_to(settings, stack_at(settings, to_table, to_bucket))
        case None, None, str(), str():
            origin = f"table {from_table} and bucket {from_bucket}"
            stack = stack_at(settings, from_table, from_bucket)
            return move_from(settings, stack, origin, is_stopped=stopped)
    raise click.UsageError(
        "Give --to-table and --to-bucket, or --from-table and --from-bucket with --stopped at last."
    )


def stack_at(settings: Settings, table: str, bucket: str) -> Stack:
    """Return a stack by the names of its table and bucket. Raises Unavailable."""
    s3 = aws_client("s3", config=client_config())
    return Stack(dynamodb_table(table), s3, bucket, load_keys(settings))


def move_to(settings: Settings, stack: Stack) -> int:
    """Move the data folder into a stack; return the exit status."""
    with opened_stores(settings) as stores, lock_if_free(settings) as is_stopped:
        moving = Move(Folder(stores, open_storage(settings.data, stores.database)), stack)
        if not is_stopped:
            outcome = copy_finished(moving)
            say("The service runs: stop it, and run the command again for the rest.")
            return 1 if outcome.problems else 0
        check_settled(stores)
        return status_of(copy_and_compare(moving))


def move_from(settings: Settings, stack: Stack, origin: str, *, is_stopped: bool) -> int:
    """Move a stack into the data folder; return the exit status. Raises DataInUse."""
    lock = hold(settings.data)
    try:
        with opened_stores(settings, new=True) as stores:
            begin_move(stores.database, origin)
            moving = Move(stack, Folder(stores, open_storage(settings.data, stores.database)))
            if not is_stopped:
                outcome = copy_finished(moving)
                say("Stop the stack's functions, and run the command again with --stopped.")
                return 1 if outcome.problems else 0
            outcomes = copy_and_compare(moving)
            if all(each.is_whole for each in outcomes):
                end_move(stores.database)
            else:
                say("No service starts on the folder yet: mend that, and run the command again.")
            return status_of(outcomes)
    finally:
        os.close(lock)


@contextmanager
def lock_if_free(settings: Settings) -> Iterator[bool]:
    """Hold the data folder's lock in the block, unless a service does; yield whether it is held."""
    lock = None
    with suppress(DataInUse):
        lock = hold(settings.data)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            os.close(lock)


def check_settled(stores: Stores) -> None:
    """Raise NotSettled if changes wait for their webhooks, which the stack would not know of."""
    if has_unread(stores.blobs):
        raise NotSettled(
            "The service has changes to process: start it, wait some seconds, and stop it again."
        )
    if waiting := stores.quarantine.depth() + stores.quarantine.dead_depth():
        say(f"{waiting} changes are in quarantine, and their webhooks do not move.")


def copy_finished(moving: Move) -> Outcome:
    """Copy the blobs that a running service has finished, their bytes and their webhooks."""
    with progress("Copying", None) as (show, _):
        mover = Mover(moving.source, moving.target, everything=False)
        outcome = mover.run(lambda read: show(read, ""))
    say_all("Copied", outcome)
    return outcome


def copy_and_compare(moving: Move) -> Sequence[Outcome]:
    """Copy everything that the target lacks, and compare everything; return what both found."""
    copied = run_all(moving, "Copying", write=True)
    say_all("Copied", copied)
    compared = run_all(moving, "Comparing", write=False)
    for problem in compared.problems:
        say(problem)
    total = ", ".join(f"{number} {kind}" for kind, number in compared.seen.items())
    click.echo(f"Compared {total}: {len(compared.problems)} differ.")
    return copied, compared


def status_of(outcomes: Sequence[Outcome]) -> int:
    """Return the exit status: 1 if anything could not be copied, or differs."""
    return int(any(each.problems for each in outcomes))


def run_all(moving: Move, what: str, *, write: bool) -> Outcome:
    """Copy or compare everything. The keys are last: with them clients can use the target."""
    with progress(what, None) as (show, _):
        mover = Mover(moving.source, moving.target, everything=True, write=write)
        owners = OwnerMover(moving.source, moving.target, mover.outcome, write=write)
        owners.move_owners()
        mover.run(lambda read: show(read, ""))
        owners.move_keys()
    return mover.outcome


def say_all(what: str, outcome: Outcome) -> None:
    """Print how much was copied, and what could not be."""
    copied = ", ".join(f"{number} {kind}" for kind, number in outcome.copied.items() if number)
    say(f"{what} {copied or 'nothing'}.")
    for problem in outcome.problems:
        say(problem)
