"""`labelling deliveries`: webhooks, their attempts, and sending them again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from core.domain.clock import to_text, utc_now
from core.domain.delivery import DeliveryState, failure_reason
from core.domain.errors import InvalidValue
from embedded.admin.deliveries import delivery_record
from embedded.cli.shared.lists import json_option, print_list
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_deliveries, table_option
from embedded.cli.shared.times import parse_past

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from core.domain.delivery import Attempt, Delivery
    from embedded.settings import Settings

_STATES: Final = [state.value for state in DeliveryState]
_ENDED_STATES: Final = [state for state in _STATES if state != DeliveryState.PENDING.value]
_MAX_RESPONSE: Final = 200  # bytes of a receiver's response that are shown

owner_filter: Final = click.option("--owner", metavar="NAME", help="Only of this owner.")


@click.group()
def deliveries() -> None:
    """List and show webhooks, and send them again."""


@deliveries.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(_STATES),
    help="Only in this state. May be repeated.",
)
@owner_filter
@click.option(
    "--since",
    metavar="TIME",
    help="Only those that ended since: 2026-01-31T12:00:00Z, or an age such as 90m, 12h or 3d.",
)
@json_option
@settings_options("data")
@table_option
def list_(
    settings: Settings,
    table: str | None,
    states: Sequence[str],
    owner: str | None,
    since: str | None,
    *,
    as_json: bool,
) -> None:
    """List webhooks: id, state, attempts, time when due or ended, owner, URL."""
    earliest = parse_past("--since", since, utc_now()) if since else None
    with opened_deliveries(settings, table) as (repository, _):
        print_list(
            (
                each
                for state in states or _STATES
                for each in repository.find_by_state(
                    DeliveryState(state), owner=owner, since=earliest
                )
            ),
            as_json=as_json,
            record=delivery_record,
            line=_line,
            empty="No webhooks found.",
        )


@deliveries.command()
@click.argument("delivery_id", metavar="ID")
@settings_options("data")
@table_option
def show(settings: Settings, table: str | None, delivery_id: str) -> None:
    """Show a webhook, its attempts and its body. ID is its webhook-id."""
    with opened_deliveries(settings, table) as (repository, _):
        found = repository.get(delivery_id)
    if found is None:
        raise _no_delivery(delivery_id)
    for line in _described(found):
        click.echo(line)


@deliveries.command()
@click.argument("delivery_ids", metavar="[ID]...", nargs=-1)
@click.option(
    "--since",
    metavar="TIME",
    help="All that ended since: 2026-01-31T12:00:00Z, or an age such as 90m, 12h or 3d.",
)
@click.option(
    "--state",
    type=click.Choice(_ENDED_STATES),
    default=DeliveryState.EXHAUSTED.value,
    show_default=True,
    help="With --since: only those that ended in this state.",
)
@owner_filter
@settings_options("data")
@table_option
def redeliver(
    settings: Settings,
    table: str | None,
    delivery_ids: Sequence[str],
    since: str | None,
    state: str,
    owner: str | None,
) -> None:
    """Send webhooks again: those with the given IDs, or with --since all that ended."""
    if bool(delivery_ids) == bool(since):
        raise InvalidValue("id", "give either ids of webhooks, or --since (and --state) for many")
    now = utc_now()
    with opened_deliveries(settings, table) as (repository, enqueue):
        if since:
            earliest = parse_past("--since", since, now)
            latest_first = repository.find_by_state(
                DeliveryState(state), owner=owner, since=earliest
            )
            delivery_ids = [each.id for each in latest_first][::-1]
        for delivery_id in delivery_ids:
            if repository.redeliver(delivery_id, now):
                enqueue(delivery_id)
            elif repository.get(delivery_id) is None:
                raise _no_delivery(delivery_id)
    click.echo(
        f"{len(delivery_ids)} to be sent again. A running service starts at once, on AWS within a"
        " minute."
    )


def _line(delivery: Delivery) -> str:
    return (
        f"{delivery.id}  {delivery.state:<9}  {len(delivery.attempts):>2}"
        f"  {to_text(delivery.ended_at or delivery.due_at)}  {delivery.owner}  {delivery.url}"
    )


def _no_delivery(delivery_id: str) -> InvalidValue:
    return InvalidValue("id", f"no delivery {delivery_id}; see 'labelling deliveries list'")


def _described(delivery: Delivery) -> Iterator[str]:
    yield f"id        {delivery.id}"
    yield f"owner     {delivery.owner}"
    yield f"url       {delivery.url}"
    yield f"event     {json.loads(delivery.body)['type']}, {len(delivery.body)} bytes"
    yield f"created   {to_text(delivery.created_at)}"
    yield f"state     {_described_state(delivery)}"
    for attempt in delivery.attempts:
        yield _described_attempt(attempt)
    yield f"body      {delivery.body.decode()}"


def _described_state(delivery: Delivery) -> str:
    if delivery.state is DeliveryState.PENDING:
        return f"pending, due {to_text(delivery.due_at)}"
    reason = failure_reason(delivery)
    ended = f" {to_text(delivery.ended_at)}" if delivery.ended_at else ""
    return f"{delivery.state}{ended}" + (f": {reason}" if reason else "")


def _described_attempt(attempt: Attempt) -> str:
    if attempt.ended is None:
        outcome = "unknown"
    else:
        seconds = (attempt.ended - attempt.started).total_seconds()
        outcome = f"{attempt.status or attempt.error} in {seconds:.3f} s"
    address = f"  {attempt.address}" if attempt.address else ""
    response = attempt.response[:_MAX_RESPONSE].decode(errors="replace")
    shown = f"  {response!r}" if attempt.response else ""
    return f"attempt   {attempt.number}  {to_text(attempt.started)}  {outcome}{address}{shown}"
