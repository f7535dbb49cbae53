"""`labelling delete`: delete an owner's pictures."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from core.domain.blob import BlobStatus
from core.domain.clock import utc_now
from core.domain.errors import StorageFull
from core.repositories.dynamodb.audit import DynamoAuditLog
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.ports.audit import AuditAction
from core.storage.disk_reserve import DiskReserve
from embedded.cli.audit import command_record
from embedded.cli.shared.owner_option import check_owner_exists
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import dynamodb_table, opened_stores, table_option
from embedded.cli.shared.times import parse_past
from embedded.client.progress import progress
from embedded.data.lock import is_served
from embedded.jobs.deletion import Selection, find_selected, mark_selected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from core.domain.blob import Blob
    from core.repositories.ports.audit import AuditLog
    from core.repositories.ports.blobs import BlobRepository
    from embedded.settings import Settings

    Grouped = Callable[[], AbstractContextManager[object]]


@click.command()
@click.option("--owner", required=True, metavar="NAME", help="The owner of the pictures.")
@click.option(
    "--before",
    metavar="TIME",
    help="Only those created before: 2027-01-31, a time in RFC 3339, or 12h or 90d ago.",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([each.value for each in BlobStatus], case_sensitive=False),
    help="Only those with this status. May be repeated.",
)
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@settings_options("data")
@table_option
def delete(
    settings: Settings,
    table: str | None,
    owner: str,
    before: str | None,
    statuses: Sequence[str],
    *,
    yes: bool,
) -> None:
    """Delete an owner's pictures for good, with their labels and webhooks.

    The running service deletes them, as it does for 'deleteBlobs': within a minute it begins.
    """
    now = utc_now()
    end = parse_past("--before", before, now) if before else now
    selection = Selection(owner, end, tuple(map(BlobStatus, statuses)))
    check_owner_exists(settings, table, owner)
    with _opened(settings, table) as (blobs, log, grouped):
        count, size = _measure(blobs, selection, now)
        if not count:
            click.echo(f"{owner} has no such pictures.", err=True)
            return
        if not yes:
            _confirm(f"Delete {count} pictures of {owner}, {size / 1e6:.1f} MB, for good?")

        def record(blob: Blob) -> None:
            log.append(command_record(AuditAction.BLOB_DELETED, owner, blob.id))

        marked = 0
        with progress("Deleting", count) as (show, _):
            for page in _on_any_disk(settings, blobs, selection, now, record, grouped):
                marked += len(page)
                show(marked, "")
    if table:
        when = "The service deletes them within minutes"
    elif is_served(settings.data):
        when = "The running service begins to delete them within a minute"
    else:
        when = "No service runs: its next start deletes them"
    click.echo(f"{marked} pictures are in no list any more. {when}, which frees {size} bytes.")


@contextmanager
def _opened(
    settings: Settings, table: str | None
) -> Iterator[tuple[BlobRepository, AuditLog, Grouped]]:
    """Open blobs and the audit log, with what groups writes."""
    if table:
        opened = dynamodb_table(table)
        yield DynamoBlobRepository(opened), DynamoAuditLog(opened), nullcontext
    else:
        with opened_stores(settings) as stores:
            yield stores.blobs, stores.audit, stores.database.write


def _measure(blobs: BlobRepository, selection: Selection, now: datetime) -> tuple[int, int]:
    """Return the number of the selected blobs and their bytes."""
    count = size = 0
    for page in find_selected(blobs, selection, now):
        count += len(page)
        size += sum(each.size or 0 for each in page)
    return count, size


def _confirm(question: str) -> None:
    """Ask for a confirmation. Raises UsageError unless it is given."""
    try:
        confirmed = click.confirm(question, err=True)
    except click.Abort as exc:
        raise click.UsageError("Nothing was deleted. Without a terminal, give --yes.") from exc
    if not confirmed:
        raise click.ClickException("Nothing was deleted.")


def _on_any_disk(
    settings: Settings,
    blobs: BlobRepository,
    selection: Selection,
    now: datetime,
    record: Callable[[Blob], None],
    grouped: Grouped,
) -> Iterator[Sequence[Blob]]:
    """Mark the selected blobs, with the space that is held for deletions where no other is left."""
    try:
        yield from mark_selected(blobs, selection, now, record, grouped)
    except StorageFull:
        DiskReserve(settings.data, settings.reserve_bytes).release()
        yield from mark_selected(blobs, selection, now, record, grouped)
