"""`labelling status`: what a data folder holds, and what waits in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from core.domain.blob import BlobStatus
from core.domain.clock import to_text, utc_now
from core.storage.disk_reserve import free_bytes
from embedded.backup.schedule import last_backup
from embedded.cli.settings_options import settings_options
from embedded.cli.stores import opened_stores
from embedded.data_folder import DATABASE
from embedded.data_lock import is_served
from embedded.metrics.statistics import LINES, read_statistics

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from embedded.settings import Settings
    from embedded.stores import Stores


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@settings_options("data")
def status(settings: Settings, *, as_json: bool) -> None:
    """Print what a data folder holds, and what waits in it.

    The service may run. GET /metrics of a running service has more, for Prometheus.
    """
    with opened_stores(settings) as stores:
        found = _status(settings, stores)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))


def _status(settings: Settings, stores: Stores) -> dict[str, Any]:
    queues = [each.name for each in stores.queues]
    counts = read_statistics(stores.database, queues, utc_now())
    with stores.database.read() as connection:
        owners = connection.execute(
            "SELECT owner, sum(count) FROM blob_counts GROUP BY owner ORDER BY 2 DESC, 1"
        ).fetchall()
    last = last_backup(stores.database)
    return {
        "folder": str(settings.data.absolute()),
        "running": is_served(settings.data),
        "blobs": {each.value: counts.blobs[each.value] for each in BlobStatus},
        "owners": [{"owner": owner, "blobs": blobs} for owner, blobs in owners],
        "queues": {
            name: {
                "due": depth.due,
                "later": depth.later,
                "dead": depth.dead,
                "oldest_seconds": depth.oldest_seconds,
            }
            for name, depth in counts.queues.items()
        },
        "webhooks_waiting": {line: counts.waiting[line] for line in LINES.values()},
        "endpoints_waiting": counts.endpoints_waiting,
        "endpoints_disabled": counts.endpoints_disabled,
        "keys": len(stores.owners.list_keys()),
        "database_bytes": sum(
            path.stat().st_size for path in settings.data.glob(f"{DATABASE}*") if path.is_file()
        ),
        "disk_free_bytes": free_bytes(settings.data),
        "last_backup": to_text(last) if last else None,
    }


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['folder']}: {'a service runs' if found['running'] else 'no service runs'}"
    blobs = ", ".join(f"{count} {name}" for name, count in found["blobs"].items() if count)
    yield f"blobs: {blobs or 'none'}"
    for each in found["owners"]:
        yield f"  {each['owner']}: {each['blobs']}"
    for name, queue in found["queues"].items():
        oldest = f", the first for {queue['oldest_seconds']:.0f} s" if queue["due"] else ""
        dead = f", {queue['dead']} dead letters" if queue["dead"] else ""
        yield f"queue {name}: {queue['due']} due{oldest}, {queue['later']} later{dead}"
    waiting = sum(found["webhooks_waiting"].values())
    yield (
        f"webhooks: {waiting} waiting, {found['endpoints_waiting']} endpoints with a line, "
        f"{found['endpoints_disabled']} endpoints disabled"
    )
    yield f"API keys: {found['keys']}"
    yield (
        f"disk: database with its log and copies {found['database_bytes'] / 1e6:.1f} MB, "
        f"{found['disk_free_bytes'] / 1e9:.1f} GB free"
    )
    yield f"last scheduled backup: {found['last_backup'] or 'none'}"
