"""`labelling blob`: one picture as the operator sees it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from embedded.admin.blobs import blob_id_in, blob_record
from embedded.cli.shared.errors import NoSuchThing
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import dynamodb_table, opened_stores, table_option
from embedded.client.progress import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from core.repositories.ports.blobs import BlobRepository
    from core.repositories.ports.deliveries import DeliveryRepository
    from embedded.settings import Settings


@click.command("blob")
@click.argument("blob_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@settings_options("data")
@table_option
def blob(settings: Settings, table: str | None, blob_id: str, *, as_json: bool) -> None:
    """Show a picture: owner, status, times, failure, labels and webhook.

    ID is the blob's id, its object key, or the id of its webhook. 'labelling blobs' finds it by
    owner, status and file name.
    """
    wanted = blob_id_in(blob_id)
    if wanted is None:
        raise NoSuchThing(
            f"{blob_id!r} is not the id of a blob, which has 26 letters and digits, such as "
            "01KDVN4ZC0ABCDEFGHJKMNPQRS."
        )
    with opened_pictures(settings, table) as (blobs, deliveries):
        found = blobs.get(wanted)
        if found is None:
            raise NoSuchThing(
                f"There is no blob {wanted} in {table or settings.data.absolute()}: it was "
                "deleted, or belongs to another service. 'labelling audit list' shows deletions."
            )
        delivery = deliveries.find_latest(found.owner, [wanted]).get(wanted)
    record = blob_record(found, delivery)
    click.echo(json.dumps(record, indent=2) if as_json else "\n".join(_lines(record)))


@contextmanager
def opened_pictures(
    settings: Settings, table: str | None
) -> Iterator[tuple[BlobRepository, DeliveryRepository]]:
    """Open the blobs and webhooks of a DynamoDB table, or those of the data folder."""
    if table:
        opened = dynamodb_table(table)
        yield DynamoBlobRepository(opened), DynamoDeliveryRepository(opened)
    else:
        with opened_stores(settings) as stores:
            yield stores.blobs, stores.deliveries


def _lines(record: Mapping[str, Any]) -> Iterator[str]:
    for name in ("id", "owner", "status", "file_name", "external_id", "content_type"):
        yield from _line(name, record[name])
    yield from _line("size", record["size_bytes"] and f"{record['size_bytes']} bytes")
    yield from _line("pixels", record["width"] and f"{record['width']} x {record['height']}")
    for name in ("created_at", "uploaded_at", "finished_at", "changed_at", "deletes_at"):
        yield from _line(name.removesuffix("_at"), record[name])
    for name in ("key", "detector"):
        yield from _line(name, record[name])
    if failure := record["failure"]:
        yield from _line("failure", f"{failure['code']}: {failure['message']}")
        yield from _line("what to do", failure["remedy"])
    for label in record["labels"] or ():
        yield from _line("label", f"{label['confidence']:5.1f}  {label['name']}")
    yield from _webhook_lines(record["callback_url"], record["webhook"])
    if record["trace_id"]:
        yield from _line("trace", record["trace_id"])
    yield from _line("log", f"search it for {record['id']}")


def _webhook_lines(url: str | None, webhook: Mapping[str, Any] | None) -> Iterator[str]:
    if webhook is None:
        yield from _line("webhook", f"none yet, to {url}" if url else "none was asked for")
        return
    time = webhook["ended_at"] or f"due {webhook['due_at']}"
    yield from _line("webhook", f"{webhook['id']}  {webhook['state']}  {time}  {webhook['url']}")
    for attempt in webhook["log"]:
        outcome = attempt["error"] or f"status {attempt['status']}"
        yield from _line("attempt", f"{attempt['number']}  {attempt['started_at']}  {outcome}")


def _line(name: str, value: str | None) -> Iterator[str]:
    """Yield the line of a value; none where it is not known."""
    if value is not None:
        yield f"{name.replace('_', ' '):<12}  {printable(value)}"
