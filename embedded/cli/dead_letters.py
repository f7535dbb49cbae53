"""`labelling dead-letters`: messages that failed too often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from core.domain.errors import InvalidValue
from core.repositories.ports.audit import AuditAction
from embedded.admin.dead_letters import describe_letter, find_queue
from embedded.cli.audit import record_command
from embedded.cli.lists import json_option, print_list
from embedded.cli.settings_options import settings_options
from embedded.cli.stores import opened_stores

if TYPE_CHECKING:
    from embedded.settings import Settings

_MAX_LISTED: Final = 1000  # of each queue
_NO_OWNER: Final = "-"


@click.group()
def dead_letters() -> None:
    """List, retry and discard messages that failed too often."""


@dead_letters.command("list")
@json_option
@settings_options("data")
def list_(settings: Settings, *, as_json: bool) -> None:
    """List dead letters: queue, id, time when sent, owner, subject, reason.

    With --json also the messages.
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
                f"{found['queue']}  {found['id']}  {found['sent_at']}  {found['owner'] or '-'}"
                f"  {found['subject'] or '-'}  {found['reason']}"
                + (f" ({found['error']})" if found["error"] else "")
            ),
            empty="No dead letters.",
        )


@dead_letters.command()
@click.argument("queue", metavar="[QUEUE]", required=False)
@click.argument("letter_id", metavar="[ID]", required=False)
@settings_options("data")
def retry(settings: Settings, queue: str | None, letter_id: str | None) -> None:
    """Send dead letters back to their queues: all, those of QUEUE, or the one with ID."""
    with opened_stores(settings) as stores:
        queues = [find_queue(stores, queue)] if queue else stores.queues
        count = sum(each.redrive(letter_id) for each in queues)
    if letter_id and not count:
        raise _missing(letter_id)
    if count:
        subject = f"{letter_id or count} of {queue or 'all queues'}"
        record_command(settings, None, AuditAction.DEAD_LETTERS_RETRIED, _NO_OWNER, subject)
    click.echo(f"{count} sent back. A running service takes them up at once.")


@dead_letters.command()
@click.argument("queue", metavar="QUEUE")
@click.argument("letter_id", metavar="ID")
@settings_options("data")
def discard(settings: Settings, queue: str, letter_id: str) -> None:
    """Delete the dead letter ID of QUEUE for good. Its blob stays as it is."""
    with opened_stores(settings) as stores:
        if not find_queue(stores, queue).discard(letter_id):
            raise _missing(letter_id)
    subject = f"{letter_id} of {queue}"
    record_command(settings, None, AuditAction.DEAD_LETTER_DISCARDED, _NO_OWNER, subject)
    click.echo("Deleted.")


def _missing(letter_id: str) -> InvalidValue:
    return InvalidValue("id", f"no dead letter {letter_id}; see 'labelling dead-letters list'")
