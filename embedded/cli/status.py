"""`labelling status`: what a data folder holds, and what waits in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from core.domain.clock import utc_now
from embedded.admin.status import read_status
from embedded.admin.usage import measure_usage
from embedded.checks.findings import readable_bytes
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_stores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from embedded.settings import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@settings_options("data")
def status(settings: Settings, *, as_json: bool) -> None:
    """Print what a data folder holds, and what waits in it.

    The service may run. The page /admin of a running service shows the same, and its processes; GET
    /metrics has more, for Prometheus.
    """
    now = utc_now()
    with opened_stores(settings) as stores:
        usage = measure_usage(stores.database, settings.data, now)
        found = read_status(settings, stores, now, usage)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['folder']}: {'a service runs' if found['running'] else 'no service runs'}"
    yield "versions: " + ", ".join(f"{name} {each}" for name, each in found["versions"].items())
    blobs = ", ".join(f"{count} {name}" for name, count in found["blobs"].items() if count)
    yield f"blobs: {blobs or 'none'}"
    for each in found["owners"]:
        yield (
            f"  {each['owner']}: {each['blobs']} blobs, {each['bytes'] / 1e6:.1f} MB, "
            f"{each['open_uploads']} open uploads, {each['failed']} failed, {each['keys']} keys"
        )
    for name, queue in found["queues"].items():
        oldest = f", the first for {queue['oldest_seconds']:.0f} s" if queue["due"] else ""
        dead = f", {queue['dead']} dead letters" if queue["dead"] else ""
        yield f"queue {name}: {queue['due']} due{oldest}, {queue['later']} later{dead}"
    yield from _webhook_lines(found)
    yield f"API keys: {found['keys']}"
    yield from _disk_lines(found["disk"])
    lacking = found["backups"]["lacking"]
    lacks = f", which lacks {lacking} pictures: see 'labelling backups'" if lacking else ""
    yield f"last scheduled backup: {found['last_backup'] or 'none'}{lacks}"


def _webhook_lines(found: Mapping[str, Any]) -> Iterator[str]:
    deliveries = found["deliveries"]
    next_at = deliveries["next_attempt_at"]
    due = f", the next due at {next_at}" if next_at else ""
    yield (
        f"webhooks: {deliveries['pending']} waiting{due}, "
        f"{found['endpoints_waiting']} endpoints with a line, "
        f"{found['endpoints_disabled']} endpoints disabled"
    )
    ended = ", ".join(f"{count} {name}" for name, count in deliveries["last_day"].items() if count)
    if ended:
        yield f"webhooks that ended within a day: {ended}"
    for reason, count in deliveries["failures"].items():
        yield f"  {count} exhausted by {reason}"


def _disk_lines(disk: Mapping[str, Any]) -> Iterator[str]:
    megabytes = {name: disk[name] / 1e6 for name in disk if name.endswith("_bytes")}
    yield (
        f"database: {megabytes['database_bytes']:.1f} MB, log {megabytes['wal_bytes']:.1f} MB, "
        f"copies {megabytes['copies_bytes']:.1f} MB"
    )
    yield (
        f"pictures: {megabytes['originals_bytes']:.1f} MB in "
        f"{disk['originals_in'] or 'the data folder'}, thumbnails "
        f"{megabytes['derived_bytes']:.1f} MB"
    )
    yield (
        f"disk: {readable_bytes(disk['free_bytes'])} free of {readable_bytes(disk['total_bytes'])},"
        f" uploads leave {readable_bytes(disk['reserve_bytes'])}"
    )
