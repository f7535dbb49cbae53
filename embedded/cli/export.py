"""`labelling export`: write all blobs and their labels, or a training set of the corrected ones."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from core.domain.errors import InvalidValue
from embedded.cli.shared.client_options import check_settings, key_option, url_option
from embedded.client import training_set
from embedded.client.api import ApiClient
from embedded.client.exporter import FORMATS, blob_rows, open_file, open_writer
from embedded.client.progress import EXIT_INTERRUPTED, progress, say

if TYPE_CHECKING:
    from collections.abc import Callable


@click.command()
@click.option(
    "--format",
    "format_",
    type=click.Choice((*FORMATS, "coco")),
    help="The format of the output (default: jsonl; with --corrections coco, or else csv).",
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file to write (default: standard output).",
)
@click.option(
    "--corrections",
    is_flag=True,
    help="Write a training set: the labels that were added, confirmed or removed.",
)
@click.option(
    "--pictures",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="With --corrections, also store the pictures in a folder.",
)
@url_option
@key_option
@check_settings
def export(  # each is an option
    url: str,
    key: str | None,
    format_: str | None,
    output: Path | None,
    pictures: Path | None,
    *,
    corrections: bool,
) -> int:
    """Write all blobs and their labels to a file or a pipe."""
    kind = format_ or ("coco" if corrections else "jsonl")
    _check(kind, output, pictures, corrections=corrections)
    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        stdout.reconfigure(encoding="utf-8", newline="")
    with ApiClient(url, key) as api:
        api.check_access()
        try:
            with progress("Exporting", None) as (show, _):
                if corrections:
                    count = _write_corrections(api, kind, output, stdout, pictures, show)
                else:
                    count = _write_blobs(api, kind, output, stdout, show)
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


def _check(kind: str, output: Path | None, pictures: Path | None, *, corrections: bool) -> None:
    """Check that the options fit together. Raises InvalidValue."""
    if corrections and kind not in training_set.FORMATS:
        raise InvalidValue("--format", "--corrections writes coco or csv")
    if not corrections and kind == "coco":
        raise InvalidValue("--format", "coco needs --corrections")
    if not corrections and pictures is not None:
        raise InvalidValue("--pictures", "needs --corrections")
    if kind == "parquet" and output is None:
        raise InvalidValue("--output", "name a file: Parquet cannot be written to standard output")


def _write_blobs(
    api: ApiClient, kind: str, output: Path | None, stdout: TextIO, show: Callable[[int, str], None]
) -> int:
    count = 0
    with open_writer(kind, output, stdout) as writer:
        for count, row in enumerate(blob_rows(api), start=1):
            writer.write(row)
            show(count, "")
    return count


def _write_corrections(
    api: ApiClient,
    kind: str,
    output: Path | None,
    stdout: TextIO,
    pictures: Path | None,
    show: Callable[[int, str], None],
) -> int:
    count = 0
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    with open_file(output, stdout) as file:
        writer = training_set.set_writer(kind, file)
        found = training_set.corrected_pictures(api)
        for count, picture in enumerate(found, start=1):
            if pictures is not None:
                training_set.fetch_picture(api, picture, pictures)
            writer.write(picture)
            show(count, "")
        writer.close()
    return count
