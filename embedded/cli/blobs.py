"""`labelling blobs`: find an owner's pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from core.domain.blob import BlobStatus
from core.domain.clock import to_text
from core.domain.errors import InvalidValue
from core.domain.owner import LOCAL_OWNER
from core.domain.pagination import MAX_PAGE
from embedded.admin.blob_search import BlobSearch
from embedded.admin.blobs import blob_id_in, blob_record
from embedded.cli.blob import opened_pictures
from embedded.cli.shared.owner_option import check_owner_exists
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import table_option
from embedded.client.progress import printable, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.domain.blob import Blob
    from core.domain.delivery import Delivery
    from core.domain.pagination import Page
    from embedded.settings import Settings


@click.command()
@click.option(
    "--owner",
    default=LOCAL_OWNER,
    show_default=True,
    metavar="NAME",
    help="The owner of the pictures.",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([each.value for each in BlobStatus], case_sensitive=False),
    help="Only those with this status. May be repeated.",
)
@click.option(
    "--file-name",
    metavar="START",
    help="Only those whose file name starts so; its case is ignored.",
)
@click.option(
    "--first",
    type=click.IntRange(1, MAX_PAGE),
    default=50,
    show_default=True,
    help="How many to list.",
)
@click.option(
    "--after", metavar="ID", help="Only older ones than this: the last of the page before."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@settings_options("data")
@table_option
def blobs(
    settings: Settings,
    table: str | None,
    owner: str,
    statuses: Sequence[str],
    file_name: str | None,
    first: int,
    after: str | None,
    *,
    as_json: bool,
) -> None:
    """List an owner's pictures, newest first.

    A line has id, time of creation, status, file name, failure and webhook; 'labelling blob ID'
    shows all of one. Those that wait for their deletion are not listed. JSON
    has the `items` as that command prints them, and `after` for the next page, null at the end.
    """
    behind = _id(after) if after else None
    check_owner_exists(settings, table, owner)
    search = BlobSearch(owner, tuple(map(BlobStatus, statuses)), file_name)
    with opened_pictures(settings, table) as (repository, deliveries):
        page = search.page(repository, first, behind)
        webhooks = deliveries.find_latest(owner, [each.id for each in page.items])
    following = page.items[-1].id if page.has_next else None
    if as_json:
        records = [blob_record(each, webhooks.get(each.id)) for each in page.items]
        click.echo(json.dumps({"items": records, "after": following}, indent=2))
        return
    _print(page, webhooks, owner)
    if following:
        say(f"There are more: add --after {following}.")


def _id(text: str) -> str:
    found = blob_id_in(text)
    if found is None:
        raise InvalidValue("--after", f"{text!r} is not the id of a blob")
    return found


def _print(page: Page[Blob], webhooks: Mapping[str, Delivery], owner: str) -> None:
    for blob in page.items:
        webhook = webhooks.get(blob.id)
        parts = [
            blob.id,
            to_text(blob.created_at),
            f"{blob.status.value:<15}",
            printable(blob.facts.file_name or "-"),
            blob.failure.code.value if blob.failure else "",
            f"webhook {webhook.state.value}" if webhook else "",
        ]
        click.echo("  ".join(filter(None, parts)))
    if not page.items:
        say(f"The owner {printable(owner)} has no such pictures.")
