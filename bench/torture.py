#!/usr/bin/env python3
"""Attacks on a running service, each with the bound that must hold and what was measured.

    bench/torture.py [--only WORD] [--smoke]

Real processes of `labelling serve` on loopback are attacked with large and slow request heads,
idle connections, unfinished requests, subscriptions without end, thumbnails of large pictures,
floods of keys, values at the edges of scalars, a full disk and a deleted database. Meanwhile a
client asks for the service's health fifty times a second; "health" is its longest wait.

The exit status is 1 if a bound did not hold. `--smoke` runs every attack in small, and judges no
time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from bench.attacks import heads, inputs, keys, progress, storage, thumbnails
from bench.attacks.target import Row, Target, running
from embedded.detection.model import model_at

CONNECTIONS = 1200  # --max-connections: more than an attack of slow clients opens
SMOKE_CONNECTIONS = 100


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--only", default="", help="part of the name of a group of attacks")
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    print("       | attack | bound | measured", flush=True)
    broken = 0
    for name, attack in groups(full=not given.smoke):
        if given.only in name:
            for row in attack():
                is_judged = not (given.smoke and row.is_timed)
                broken += is_judged and not row.held
                mark = ("ok" if row.held else "BROKEN") if is_judged else "-"
                print(f"{mark:6} | {row.attack} | {row.bound} | {row.measured}", flush=True)
    print(f"{broken} bounds broken")
    sys.exit(1 if broken else 0)


def groups(*, full: bool) -> Iterator[tuple[str, Callable[[], Iterator[Row]]]]:
    """Yield the attacks by the service that they attack; those of one group share a process."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = model_at(root / "made")
        yield "clients", partial(against_clients, root / "clients", model, full=full)
        yield "keys", partial(against_keys, root / "keys", model, full=full)
        yield "disk", partial(storage.full_disk, root / "disk", model)


def against_clients(data: Path, model: Path, *, full: bool) -> Iterator[Row]:
    """Attack a service without keys, and in the end delete its database."""
    most = CONNECTIONS if full else SMOKE_CONNECTIONS
    flags = ("--max-connections", str(most), "--body-timeout", str(heads.BODY_SECONDS))
    with running(data, model, *flags, *progress.FLAGS) as target:
        for attack in (
            heads.large_heads,
            heads.slow_clients,
            progress.requests_in_progress,
            progress.subscriptions,
            progress.sockets,
            progress.events,
            inputs.scalars,
            inputs.hosts,
            thumbnails.thumbnails,
        ):
            yield from attack(target, full=full)
        yield from watched(target)
        # One connection is the watcher's.
        yield from heads.idle_connections(target, full=full, most=most - 1)
        yield from storage.deleted_database(target)


def watched(target: Target) -> Iterator[Row]:
    """Report the health checks during all attacks so far."""
    yield Row(
        "all of these: health checks",
        "none fails",
        f"{target.failed_checks} failed",
        target.failed_checks == 0,
    )


def against_keys(data: Path, model: Path, *, full: bool) -> Iterator[Row]:
    """Attack a service with keys."""
    known, other = (keys.add_key(data, owner) for owner in ("anna", "bert"))
    with running(data, model, *keys.FLAGS) as target:
        yield from keys.floods(target, known, other, full=full)


if __name__ == "__main__":
    main()
