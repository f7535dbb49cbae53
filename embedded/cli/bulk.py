"""What `labelling import` and `labelling export` do."""

from __future__ import annotations

import io
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

from core.domain.errors import InvalidValue
from embedded.client.api import ApiClient, Stopped
from embedded.client.exporter import blob_rows, open_writer
from embedded.client.files import find_files
from embedded.client.import_report import ImportReport, Outcome
from embedded.client.importer import Importer
from embedded.client.label_status import wait_for_labels
from embedded.client.parallel import map_in_threads
from embedded.client.progress import EXIT_INTERRUPTED, printable, progress, say

if TYPE_CHECKING:
    import argparse

MAX_NAMED: Final = 20  # of the files that were skipped, and of those that failed
MEGABYTE: Final = 1e6


def import_pictures(options: argparse.Namespace) -> int:
    """Upload files and folders; return the exit status.

    Raises:
        ImportAborted, Unreachable, NotAllowed, RequestRejected: nothing can be uploaded.
        FileNotFoundError: a path is not there.

    """
    files = list(find_files(options.path))
    stopping = threading.Event()
    report = ImportReport()
    wishes = {
        name: value
        for name, value in (
            ("callbackUrl", options.callback_url),
            ("maxLabels", options.max_labels),
            ("minConfidence", options.min_confidence),
        )
        if value is not None
    }
    with ApiClient(options.url, options.key, stopping=stopping) as api:
        api.check_access()
        try:
            with progress("Importing", len(files)) as (show, tell):
                importer = Importer(api, wishes, tell)
                for done in map_in_threads(importer.upload, files, options.concurrency, stopping):
                    report.add(done)
                    show(report.total, f"{report.size / MEGABYTE:,.0f} MB uploaded")
        except (KeyboardInterrupt, Stopped):
            _print_report(report)
            say("Interrupted. To continue, run the same command again.")
            return EXIT_INTERRUPTED
        except BaseException:
            _print_report(report)
            raise
        _print_report(report)
        failed = bool(report.counts[Outcome.FAILED])
        if options.wait and report.uploaded:
            stopping.clear()
            failed |= _wait(api, report)
    return int(failed)


def _wait(api: ApiClient, report: ImportReport) -> bool:
    """Wait for the labels; tell whether some have failed."""
    with progress("Labelling", len(report.uploaded)) as (show, _):
        done, failed = wait_for_labels(api, report.uploaded, lambda seen: show(seen, ""))
    _out(f"{done} labelled, {len(failed)} failed.")
    _name("failed", [(str(report.uploaded[each]), why) for each, why in failed.items()])
    return bool(failed)


def export(options: argparse.Namespace) -> int:
    """Write all blobs and their labels; return the exit status.

    Raises:
        ParquetUnavailable: pyarrow is needed, and not installed.
        Unreachable, NotAllowed, RequestRejected: the service does not answer, or not with this.
        OSError: the file can't be written.

    """
    if options.format == "parquet" and options.output is None:
        raise InvalidValue("--output", "name a file: Parquet is no text for a terminal or a pipe")
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(encoding="utf-8", newline="")
    with ApiClient(options.url, options.key) as api:
        api.check_access()
        try:
            with (
                open_writer(options.format, options.output, stdout) as writer,
                progress("Exporting", None) as (show, _),
            ):
                count = 0
                for count, row in enumerate(blob_rows(api), start=1):
                    writer.write(row)
                    show(count, "")
            stdout.flush()
        except KeyboardInterrupt:
            say("Interrupted. No file was written." if options.output else "Interrupted.")
            return EXIT_INTERRUPTED
        except BrokenPipeError:  # whoever reads has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
            return 1
    if options.output:
        say(f"{count} blobs in {options.output}.")
    return 0


def _print_report(report: ImportReport) -> None:
    counts = report.counts
    size = f" ({report.size / MEGABYTE:,.1f} MB)" if report.size else ""
    _out(
        f"{counts[Outcome.UPLOADED]} uploaded{size}, "
        f"{counts[Outcome.ALREADY_THERE]} already there, "
        f"{counts[Outcome.SKIPPED]} skipped, {counts[Outcome.FAILED]} failed."
    )
    for outcome in (Outcome.SKIPPED, Outcome.FAILED):
        named = [
            (str(each.path), each.reason) for each in report.problems if each.outcome is outcome
        ]
        _name(outcome, named)


def _name(what: str, told: list[tuple[str, str]]) -> None:
    for path, why in told[:MAX_NAMED]:
        _out(f"{what}: {printable(path)}: {printable(why)}")
    if len(told) > MAX_NAMED:
        _out(f"{what}: and {len(told) - MAX_NAMED} more")


def _out(text: str) -> None:
    print(text, flush=True)
