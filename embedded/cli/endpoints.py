"""`labelling endpoints`: webhook endpoints that answered 410 Gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from core.domain.clock import to_text
from core.domain.delivery import endpoint_of
from core.domain.errors import InvalidValue
from core.repositories.ports.audit import AuditAction
from embedded.cli.audit import record_command
from embedded.cli.shared.lists import json_option, print_list
from embedded.cli.shared.owner_option import owner_option
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_deliveries, table_option

if TYPE_CHECKING:
    from embedded.settings import Settings


@click.group()
def endpoints() -> None:
    """List and enable endpoints that answered 410 Gone."""


@endpoints.command("list")
@owner_option
@json_option
@settings_options("data")
@table_option
def list_(settings: Settings, table: str | None, owner: str, *, as_json: bool) -> None:
    """List an owner's disabled endpoints: time of the 410 Gone, URL."""
    with opened_deliveries(settings, table) as (deliveries, _):
        print_list(
            deliveries.disabled_endpoints(owner),
            as_json=as_json,
            record=lambda found: {"disabled_at": to_text(found.at), "url": found.endpoint},
            line=lambda found: f"{to_text(found.at)}  {found.endpoint}",
            empty=f"{owner} has no disabled endpoints.",
        )


@endpoints.command()
@click.argument("url", metavar="URL")
@owner_option
@settings_options("data")
@table_option
def enable(settings: Settings, table: str | None, owner: str, url: str) -> None:
    """Send webhooks to an endpoint again. URL is the callback URL, with or without its query."""
    with opened_deliveries(settings, table) as (deliveries, _):
        if not deliveries.enable_endpoint(owner, endpoint_of(url)):
            raise InvalidValue(
                "url", f"{owner} has no such disabled endpoint; see 'labelling endpoints list'"
            )
    record_command(settings, table, AuditAction.ENDPOINT_ENABLED, owner, endpoint_of(url))
    click.echo(
        "Enabled. To send what was cancelled: labelling deliveries redeliver --state cancelled"
        " --since TIME"
    )
