"""`labelling export`: write all blobs and their labels."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import click

from core.domain.errors import InvalidValue
from embedded.cli.client_options import check_settings, key_option, url_option
from embedded.client.api import ApiClient
from embedded.client.exporter import FORMATS, blob_rows, open_writer
from embedded.client.progress import EXIT_INTERRUPTED, progress, say


@click.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="jsonl",
    show_default=True,
    help="The format of the output.",
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file to write (default: standard output).",
)
@url_option
@key_option
@check_settings
def export(url: str, key: str | None, format_: str, output: Path | None) -> int:
    """Write all blobs and their labels to a file or a pipe."""
    if format_ == "parquet" and output is None:
        raise InvalidValue("--output", "name a file: Parquet cannot be written to standard output")
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(encoding="utf-8", newline="")
    with ApiClient(url, key) as api:
        api.check_access()
        try:
            with (
                open_writer(format_, output, stdout) as writer,
                progress("Exporting", None) as (show, _),
            ):
                count = 0
                for count, row in enumerate(blob_rows(api), start=1):
                    writer.write(row)
                    show(count, "")
            stdout.flush()
        except KeyboardInterrupt:
            say("Interrupted. No file was written." if output else "Interrupted.")
            return EXIT_INTERRUPTED
        except BrokenPipeError:  # the reader closed the pipe, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
            return 1
    if output:
        say(f"{count} blobs in {output}.")
    return 0
