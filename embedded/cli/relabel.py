"""What `labelling relabel` does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from core.domain.clock import from_text, to_text, utc_now
from core.domain.errors import InvalidValue
from core.events.s3 import relabel_event
from embedded.client.progress import EXIT_INTERRUPTED, progress, say
from embedded.data_lock import is_served
from embedded.events import BUCKET
from embedded.relabelling import Run, Stalled, Tally, check_version, keep, load, relabel, summary

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from core.domain.blob import Blob
    from core.queues.base import Queue
    from core.repositories.ports.blobs import BlobRepository
    from embedded.settings import Settings
    from embedded.stores import Stores

LOOK_SECONDS_ON_AWS: Final = 1.0


def relabel_here(settings: Settings, stores: Stores, options: argparse.Namespace) -> int:
    """Have a running service on this machine label everything again; return the exit status.

    Raises:
        Stalled: no service runs, or it has stopped.
        InvalidValue: an option is wrong, or another run is unfinished.

    """

    def check() -> None:
        if not is_served(settings.data):
            raise Stalled(
                f"No service runs on {settings.data}, and it is what labels: start it with ./run "
                "(or labelling serve), then give this command again; it goes on where it was."
            )

    check()
    with stores.database.read() as connection:
        (total,) = connection.execute(
            "SELECT count(*) FROM blobs WHERE owner = coalesce(?, owner)", (options.owner,)
        ).fetchone()
    state = options.state or settings.data / "relabel.json"
    return _relabel(stores.blobs, stores.upload_events, options, state, check=check, total=total)


def relabel_on_aws(blobs: BlobRepository, queue: Queue, options: argparse.Namespace) -> int:
    """Have the labeller of a stack label everything again; return the exit status."""

    def check() -> None:
        say("Nothing was labelled for a while: look at the alarms and the log of the labeller.")

    return _relabel(
        blobs, queue, options, options.state, check=check, look_seconds=LOOK_SECONDS_ON_AWS
    )


def _relabel(
    blobs: BlobRepository,
    queue: Queue,
    options: argparse.Namespace,
    state: Path,
    *,
    total: int | None = None,
    **how: object,
) -> int:
    if options.older_than is not None:
        check_version(options.older_than)
    wished = Run(to_text(utc_now()), options.owner, options.older_than, options.table)
    run = _begun(state, wished, restart=options.restart)
    keep(state, run)
    began = from_text(run.began)

    def send(blob: Blob) -> None:
        queue.send(json.dumps(relabel_event(blob, BUCKET, began)))

    tally = Tally(seen=run.seen)
    try:
        with progress("Labelling again", total) as (show, _):
            for tally in relabel(
                run,
                blobs,
                send,
                in_flight=options.in_flight,
                kept=lambda reached: keep(state, reached),
                **how,  # type: ignore[arg-type]  # as relabel names them
            ):
                show(tally.seen, _told(tally))
    except KeyboardInterrupt:
        for line in (*summary(tally), "Stopped: the same command goes on where it was."):
            say(line)
        return EXIT_INTERRUPTED
    state.unlink(missing_ok=True)
    for line in summary(tally):
        print(line)
    return 0


def _begun(state: Path, wished: Run, *, restart: bool) -> Run:
    """Return the unfinished run that is to go on, or the one wished for. Raises InvalidValue."""
    unfinished = None if restart else load(state)
    if unfinished is None:
        return wished
    if not unfinished.same(wished):
        raise InvalidValue(
            "--restart",
            f"the run of {unfinished.began} with other options is unfinished ({state}): "
            "give the same options to go on, or --restart to forget it",
        )
    say(f"Going on with the run of {unfinished.began}, after {unfinished.seen} looked at.")
    return unfinished


def _told(tally: Tally) -> str:
    return f"{tally.labelled} labelled" + (f", {tally.failed} failed" if tally.failed else "")
