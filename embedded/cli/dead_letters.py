"""`labelling dead-letters`: messages that failed too often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from core.domain.clock import to_text
from embedded.cli.lists import json_option, print_list
from embedded.cli.settings_options import settings_options
from embedded.cli.stores import opened_stores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.queues.sqlite import SqliteQueue
    from embedded.settings import Settings
    from embedded.stores import Stores

_MAX_LISTED: Final = 1000  # of each queue


@click.group()
def dead_letters() -> None:
    """List and retry messages that failed too often."""


@dead_letters.command("list")
@json_option
@settings_options("data")
def list_(settings: Settings, *, as_json: bool) -> None:
    """List dead letters: queue, time when sent, message."""
    with opened_stores(settings) as stores:
        print_list(
            (
                (queue.name, letter)
                for queue in _queues(stores)
                for letter in queue.dead_letters(_MAX_LISTED)
            ),
            as_json=as_json,
            record=lambda found: {
                "queue": found[0],
                "sent_at": to_text(found[1].sent_at),
                "message": found[1].body,
            },
            line=lambda found: f"{found[0]}  {to_text(found[1].sent_at)}  {found[1].body}",
            empty="No dead letters.",
        )


@dead_letters.command()
@settings_options("data")
def retry(settings: Settings) -> None:
    """Send all dead letters back to their queues."""
    with opened_stores(settings) as stores:
        count = sum(queue.redrive() for queue in _queues(stores))
    click.echo(f"{count} sent back. A running service takes them up at once.")


def _queues(stores: Stores) -> Sequence[SqliteQueue]:
    return stores.upload_events, stores.delivery_queue, stores.quarantine
