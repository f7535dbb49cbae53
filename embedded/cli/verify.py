"""`labelling verify`: check a data folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from core.domain.errors import InvalidValue
from embedded.checks.verification import Verifier
from embedded.cli.shared.backup_target import existing_target
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import opened_stores
from embedded.client.progress import progress, say

if TYPE_CHECKING:
    from embedded.checks.verification import Report
    from embedded.settings import Settings


@click.command()
@click.option("--repair", is_flag=True, help="Repair what can be repaired.")
@click.option(
    "--from",
    "source",
    metavar="TARGET",
    help="With --repair: take bytes that are missing or damaged from the backups in TARGET.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@settings_options("data")
def verify(settings: Settings, source: str | None, *, repair: bool, as_json: bool) -> int:
    """Check the database, the bytes of every picture, and the counts of labels.

    The service may run. The exit status is 1 if problems remain.
    """
    if source and not repair:
        raise InvalidValue("--from", "give it with --repair")
    backups = existing_target(source) if source else None
    with opened_stores(settings) as stores, progress("Verifying", None) as (show, _):
        verifier = Verifier(settings.data, stores, repair=repair, source=backups)
        report = verifier.check(lambda read: show(read, ""))
    click.echo(json.dumps(asdict(report), indent=2) if as_json else text_of(report))
    if not report.counts_checked:
        say("Labels were not counted again: the service has changes to process.")
    return 1 if report.unrepaired else 0


def text_of(report: Report) -> str:
    """Return a line for each problem, and one for all."""
    lines = [
        f"{problem.subject}: {problem.what}" + (f"; {problem.repaired}" * bool(problem.repaired))
        for problem in report.problems
    ]
    found = len(report.problems)
    repaired = found - report.unrepaired
    lines.append(
        f"{report.blobs} blobs and {report.originals} pictures checked: {found} problems, "
        f"{repaired} repaired."
    )
    return "\n".join(lines)
