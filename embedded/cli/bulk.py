"""What `labelling import` and `labelling export` do."""

from __future__ import annotations

import io
import os
import sys
import threading
from typing import TYPE_CHECKING, Final

from core.domain.errors import InvalidValue
from embedded.client.api import ApiClient, Stopped
from embedded.client.exporter import opened, rows_of
from embedded.client.importer import Importer, Outcome, Report, files_in, in_threads, labelled
from embedded.client.progress import EXIT_INTERRUPTED, progress, say, shown

if TYPE_CHECKING:
    import argparse

MAX_NAMED: Final = 20  # of the files that were skipped, and of those that failed
MEGABYTE: Final = 1e6


def import_pictures(options: argparse.Namespace) -> int:
    """Upload files and folders; return the exit status.

    Raises:
        Fatal, Unreachable, NotAllowed, Refusal: nothing can be uploaded.
        FileNotFoundError: a path is not there.

    """
    files = list(files_in(options.path))
    stopping = threading.Event()
    report = Report()
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
        api.greet()
        try:
            with progress("Importing", len(files)) as (show, tell):
                importer = Importer(api, wishes, tell)
                for done in in_threads(importer.take, files, options.concurrency, stopping):
                    report.add(done)
                    show(report.seen, f"{report.size / MEGABYTE:,.0f} MB uploaded")
        except (KeyboardInterrupt, Stopped):
            _print_report(report)
            say("Stopped: the same command goes on where it was.")
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


def _wait(api: ApiClient, report: Report) -> bool:
    """Wait for the labels; tell whether some have failed."""
    with progress("Labelling", len(report.uploaded)) as (show, _):
        done, failed = labelled(api, report.uploaded, lambda seen: show(seen, ""))
    _out(f"{done} labelled, {len(failed)} failed.")
    _name("failed", [(str(report.uploaded[each]), why) for each, why in failed.items()])
    return bool(failed)


def export(options: argparse.Namespace) -> int:
    """Write all blobs and their labels; return the exit status.

    Raises:
        NoParquet: pyarrow is needed, and not installed.
        Unreachable, NotAllowed, Refusal: the service does not answer, or not with this.
        OSError: the file can't be written.

    """
    if options.format == "parquet" and options.output is None:
        raise InvalidValue("--output", "name a file: Parquet is no text for a terminal or a pipe")
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(encoding="utf-8", newline="")
    with ApiClient(options.url, options.key) as api:
        api.greet()
        try:
            with (
                opened(options.format, options.output, stdout) as writer,
                progress("Exporting", None) as (show, _),
            ):
                count = 0
                for count, row in enumerate(rows_of(api), start=1):
                    writer.write(row)
                    show(count, "")
            stdout.flush()
        except KeyboardInterrupt:
            say("Stopped: nothing is left of it." if options.output else "Stopped.")
            return EXIT_INTERRUPTED
        except BrokenPipeError:  # whoever reads has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
            return 1
    if options.output:
        say(f"{count} blobs in {options.output}.")
    return 0


def _print_report(report: Report) -> None:
    counts = report.counts
    size = f" ({report.size / MEGABYTE:,.1f} MB)" if report.size else ""
    _out(
        f"{counts[Outcome.UPLOADED]} uploaded{size}, {counts[Outcome.THERE]} there already, "
        f"{counts[Outcome.SKIPPED]} skipped, {counts[Outcome.FAILED]} failed."
    )
    for outcome in (Outcome.SKIPPED, Outcome.FAILED):
        named = [(str(each.path), each.why) for each in report.told if each.outcome is outcome]
        _name(outcome, named)


def _name(what: str, told: list[tuple[str, str]]) -> None:
    for path, why in told[:MAX_NAMED]:
        _out(f"{what}: {shown(path)}: {shown(why)}")
    if len(told) > MAX_NAMED:
        _out(f"{what}: and {len(told) - MAX_NAMED} more")


def _out(text: str) -> None:
    print(text, flush=True)
