"""`labelling dead-letters`: messages that failed too often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from core.domain.errors import InvalidValue
from core.repositories.ports.audit import AuditAction
from embedded.admin.dead_letters import describe_letter, find_queue
from embedded.cli.audit import record_command
from embedded.cli.shared.lists import json_option, print_list
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_stores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.queues.sqlite import SqliteQueue
    from embedded.settings import Settings

_MAX_LISTED: Final = 1000  # of each queue
_NO_OWNER: Final = "-"
_RETRIED: Final = AuditAction.DEAD_LETTERS_RETRIED


@click.group()
def dead_letters() -> None:
    """List, retry and discard messages that failed too often."""


@dead_letters.command("list")
@json_option
@settings_options("data")
def list_(settings: Settings, *, as_json: bool) -> None:
    """List dead letters: queue, id, time when sent, tries, owner, subject, reason.

    The subject is the id of a blob or a webhook. With --json also the messages.
    """
    with opened_stores(settings) as stores:
        print_list(
            (
                {**describe_letter(stores, queue.name, letter), "message": letter.body}
                for queue in stores.queues
                for letter in queue.dead_letters(_MAX_LISTED)
            ),
            as_json=as_json,
            record=lambda found: found,
            line=lambda found: (
                f"{found['queue']}  {found['id']}  {found['sent_at']}  {found['receives']}"
                f"  {found['owner'] or '-'}  {found['subject'] or '-'}  {found['reason']}"
                + (f" ({found['error']})" if found["error"] else "")
            ),
            empty="No dead letters.",
        )


@dead_letters.command()
@click.argument("queue", metavar="[QUEUE]", required=False)
@click.argument("letter_ids", metavar="[ID]...", nargs=-1)
@settings_options("data")
def retry(settings: Settings, queue: str | None, letter_ids: Sequence[str]) -> None:
    """Send dead letters back to their queues: all, those of QUEUE, or those with an ID in it."""
    with opened_stores(settings) as stores:
        queues = [find_queue(stores, queue)] if queue else stores.queues
        if letter_ids:
            count = _each(settings, queues[0], letter_ids, queues[0].redrive, _RETRIED)
        else:
            count = sum(each.redrive() for each in queues)
            if count:
                _record(settings, _RETRIED, f"{count} of {queue or 'all queues'}")
    click.echo(f"{count} sent back. A running service takes them up at once.")


@dead_letters.command()
@click.argument("queue", metavar="QUEUE")
@click.argument("letter_ids", metavar="ID...", nargs=-1, required=True)
@settings_options("data")
def discard(settings: Settings, queue: str, letter_ids: Sequence[str]) -> None:
    """Delete dead letters of QUEUE for good, each by its ID. Their blobs stay as they are."""
    with opened_stores(settings) as stores:
        found = find_queue(stores, queue)
        count = _each(settings, found, letter_ids, found.discard, AuditAction.DEAD_LETTER_DISCARDED)
    click.echo(f"{count} deleted.")


def _each(
    settings: Settings,
    queue: SqliteQueue,
    letter_ids: Sequence[str],
    act: Callable[[str], object],
    action: AuditAction,
) -> int:
    """Act on letters, with an audit record each. Raises InvalidValue at a missing one."""
    for letter_id in letter_ids:
        if not act(letter_id):
            raise InvalidValue(
                "id",
                f"no dead letter {letter_id} in {queue.name}; see 'labelling dead-letters list'",
            )
        _record(settings, action, f"{letter_id} of {queue.name}")
    return len(letter_ids)


def _record(settings: Settings, action: AuditAction, subject: str) -> None:
    record_command(settings, None, action, _NO_OWNER, subject)
