"""`labelling import`: upload files and folders."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from embedded.cli.shared.client_options import check_settings, key_option, url_option
from embedded.client.api import ApiClient, Stopped
from embedded.client.files import find_files
from embedded.client.import_report import ImportReport, Outcome
from embedded.client.importer import Importer
from embedded.client.label_status import wait_for_labels
from embedded.client.parallel import map_in_threads
from embedded.client.progress import EXIT_INTERRUPTED, printable, progress, say

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_NAMED: Final = 20  # files named of those skipped, and of those failed
_MEGABYTE: Final = 1e6


@click.command("import")
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--concurrency",
    metavar="N",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Files uploaded at the same time.",
)
@click.option("--wait", "waits", is_flag=True, help="Wait until all of them are labelled.")
@click.option("--callback-url", metavar="URL", help="Where the webhook of each picture is sent.")
@click.option("--max-labels", metavar="N", type=int, help="maxLabels of createUpload.")
@click.option("--min-confidence", metavar="N", type=float, help="minConfidence of createUpload.")
@url_option
@key_option
@check_settings
def import_pictures(
    paths: Sequence[Path],
    url: str,
    key: str | None,
    concurrency: int,
    callback_url: str | None,
    max_labels: int | None,
    min_confidence: float | None,
    *,
    waits: bool,
) -> int:
    """Upload files and folders of pictures.

    Pictures that the service already has are not sent again.
    """
    files = list(find_files(paths))
    stopping = threading.Event()
    report = ImportReport()
    options = {
        "callbackUrl": callback_url,
        "maxLabels": max_labels,
        "minConfidence": min_confidence,
    }
    given = {name: value for name, value in options.items() if value is not None}
    with ApiClient(url, key, stopping=stopping) as api:
        api.check_access()
        try:
            with progress("Importing", len(files)) as (show, say_meanwhile):
                importer = Importer(api, given, say_meanwhile)
                for result in map_in_threads(importer.upload, files, concurrency, stopping):
                    report.add(result)
                    show(report.total, f"{report.size / _MEGABYTE:,.0f} MB uploaded")
        except (KeyboardInterrupt, Stopped):
            _print_report(report)
            say("Interrupted. To continue, run the same command again.")
            return EXIT_INTERRUPTED
        except BaseException:
            _print_report(report)
            raise
        _print_report(report)
        failed = bool(report.counts[Outcome.FAILED])
        if waits and report.uploaded:
            stopping.clear()
            failed |= _wait(api, report)
    return int(failed)


def _wait(api: ApiClient, report: ImportReport) -> bool:
    """Wait for the labels and print the outcome. Return whether a picture failed."""
    with progress("Labelling", len(report.uploaded)) as (show, _):
        labelled, failed = wait_for_labels(api, report.uploaded, lambda done: show(done, ""))
    click.echo(f"{labelled} labelled, {len(failed)} failed.")
    _print_files("failed", [(str(report.uploaded[each]), why) for each, why in failed.items()])
    return bool(failed)


def _print_report(report: ImportReport) -> None:
    counts = report.counts
    size = f" ({report.size / _MEGABYTE:,.1f} MB)" if report.size else ""
    click.echo(
        f"{counts[Outcome.UPLOADED]} uploaded{size}, "
        f"{counts[Outcome.ALREADY_THERE]} already there, "
        f"{counts[Outcome.SKIPPED]} skipped, {counts[Outcome.FAILED]} failed."
    )
    for outcome in (Outcome.SKIPPED, Outcome.FAILED):
        files = [
            (str(each.path), each.reason) for each in report.problems if each.outcome is outcome
        ]
        _print_files(outcome, files)


def _print_files(outcome: str, files: Sequence[tuple[str, str]]) -> None:
    for path, reason in files[:_MAX_NAMED]:
        click.echo(f"{outcome}: {printable(path)}: {printable(reason)}")
    if len(files) > _MAX_NAMED:
        click.echo(f"{outcome}: and {len(files) - _MAX_NAMED} more")
