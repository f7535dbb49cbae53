"""`labelling relabel`: label all pictures again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from core.domain.clock import from_text, to_text, utc_now
from core.domain.errors import InvalidValue
from core.events.s3 import relabel_event
from core.queues.sqs import SqsQueue
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from embedded.aws_clients import aws_client
from embedded.cli.shared.settings_options import settings_options
from embedded.cli.shared.stores import dynamodb_table, opened_stores, table_option
from embedded.client.progress import EXIT_INTERRUPTED, progress, say
from embedded.data.lock import is_served
from embedded.events import BUCKET
from embedded.jobs.relabelling import Run, Stalled, Tally, check_version, load, relabel_all, save

if TYPE_CHECKING:
    from core.domain.blob import Blob
    from core.queues.base import Queue
    from core.repositories.ports.blobs import BlobRepository
    from embedded.settings import Settings
    from embedded.stores import Stores

_POLL_SECONDS_ON_AWS: Final = 1.0


@click.command()
@click.option(
    "--all", "everything", is_flag=True, required=True, help="Label all finished pictures again."
)
@click.option(
    "--older-than",
    metavar="VERSION",
    help="Only pictures labelled by an earlier version of the detector, or by another detector:"
    " 1.3, or name/1.3.",
)
@click.option("--owner", metavar="NAME", help="Only of this owner.")
@click.option(
    "--in-flight",
    metavar="N",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Pictures queued at the same time. New uploads wait for these.",
)
@click.option("--restart", is_flag=True, help="Start again where an earlier run is unfinished.")
@click.option(
    "--state",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file that stores the progress (default: relabel.json in the data folder).",
)
@settings_options("data")
@table_option
@click.option("--queue", metavar="URL", help="On AWS: the SQS queue of uploads.")
def relabel(
    settings: Settings,
    table: str | None,
    queue: str | None,
    older_than: str | None,
    owner: str | None,
    in_flight: int,
    state: Path | None,
    *,
    everything: bool,  # a safeguard: the command has no other mode  # noqa: ARG001
    restart: bool,
) -> int:
    """Label all pictures again.

    The running service does the work, for example after a change of the detector.
    """
    run = Run(to_text(utc_now()), owner, older_than, table)
    if table is None:
        with opened_stores(settings) as stores:
            return _relabel_here(settings, stores, run, state, in_flight, restart=restart)
    if queue is None:
        raise InvalidValue(
            "--queue", "give the URL of the queue of uploads; see docs/operations.md"
        )
    if state is None:
        raise InvalidValue("--state", "name a file to store the progress in")
    return _relabel(
        run,
        DynamoBlobRepository(dynamodb_table(table)),
        SqsQueue(aws_client("sqs"), queue),
        state,
        in_flight,
        restart=restart,
        check=lambda: say(
            "No picture was labelled for a while: see the alarms and the log of the labeller."
        ),
        poll_seconds=_POLL_SECONDS_ON_AWS,
    )


def _relabel_here(
    settings: Settings,
    stores: Stores,
    run: Run,
    state: Path | None,
    in_flight: int,
    *,
    restart: bool,
) -> int:
    def check() -> None:
        if not is_served(settings.data):
            raise Stalled(
                f"No service runs on {settings.data}, and only a running service labels. Start it "
                "with ./run (or labelling serve), then run this command again; it continues where "
                "it stopped."
            )

    check()
    with stores.database.read() as connection:
        (total,) = connection.execute(
            "SELECT count(*) FROM blobs WHERE owner = coalesce(?, owner)", (run.owner,)
        ).fetchone()
    return _relabel(
        run,
        stores.blobs,
        stores.upload_events,
        state or settings.data / "relabel.json",
        in_flight,
        restart=restart,
        check=check,
        total=total,
    )


def _relabel(
    run: Run,
    blobs: BlobRepository,
    queue: Queue,
    state: Path,
    in_flight: int,
    *,
    restart: bool,
    total: int | None = None,
    **options: Any,
) -> int:
    if run.older_than is not None:
        check_version(run.older_than)
    if not restart:
        run = _unfinished(state, run) or run
    save(state, run)
    began = from_text(run.began)

    def send(blob: Blob) -> None:
        queue.send(json.dumps(relabel_event(blob, BUCKET, began)))

    tally = Tally(seen=run.seen)
    try:
        with progress("Labelling again", total) as (show, _):
            for tally in relabel_all(
                run,
                blobs,
                send,
                in_flight=in_flight,
                on_progress=lambda reached: save(state, reached),
                **options,
            ):
                failed = f", {tally.failed} failed" if tally.failed else ""
                show(tally.seen, f"{tally.labelled} labelled{failed}")
    except KeyboardInterrupt:
        for line in _summary(tally):
            say(line)
        say("Interrupted. To continue, run the same command again.")
        return EXIT_INTERRUPTED
    state.unlink(missing_ok=True)
    for line in _summary(tally):
        click.echo(line)
    return 0


def _unfinished(state: Path, wanted: Run) -> Run | None:
    """Return the unfinished run of the same options, if any.

    Raises InvalidValue for one with other options.
    """
    unfinished = load(state)
    if unfinished is None:
        return None
    if not unfinished.has_options_of(wanted):
        raise InvalidValue(
            "--restart",
            f"the run of {unfinished.began} with other options is unfinished ({state}). Give the "
            "same options to continue it, or --restart to discard it",
        )
    say(f"Continuing the run of {unfinished.began} after {unfinished.seen} pictures.")
    return unfinished


def _summary(tally: Tally) -> list[str]:
    lines = [f"{tally.labelled} of {tally.seen} pictures labelled again."]
    if tally.failed:
        lines.append(f"{tally.failed} could not be labelled; each blob shows its failure.")
    if tally.deleted:
        lines.append(f"{tally.deleted} were deleted in the meantime.")
    return lines
