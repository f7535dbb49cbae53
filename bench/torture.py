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
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from bench.attacks import heads, inputs, keys, progress, storage, thumbnails
from bench.attacks.target import Row, Target, running
from embedded.detection.model import model_at

CONNECTIONS = 1200  # --max-connections: more than an attack of slow clients opens
SMOKE_CONNECTIONS = 100


class Attack(Protocol):
    """Attacks a service and yields rows of the table; `full`, or in small."""

    def __call__(self, target: Target, *, full: bool) -> Iterator[Row]: ...


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--only", default="", help="part of the name of an attack's function")
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    print("       | attack | bound | measured", flush=True)
    broken = 0
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(Path(folder), given.only, full=not given.smoke):
            is_judged = not (given.smoke and row.is_timed)
            broken += is_judged and not row.held
            mark = ("ok" if row.held else "BROKEN") if is_judged else "-"
            print(f"{mark:6} | {row.attack} | {row.bound} | {row.measured}", flush=True)
    print(f"{broken} bounds broken")
    sys.exit(1 if broken else 0)


def rows(root: Path, only: str, *, full: bool) -> Iterator[Row]:
    """Run the attacks whose names contain `only`, in three services, and yield their rows."""
    model = model_at(root / "made")
    most = CONNECTIONS if full else SMOKE_CONNECTIONS
    attacks: list[Attack] = [
        heads.large_heads,
        heads.slow_clients,
        progress.requests_in_progress,
        progress.subscriptions,
        progress.sockets,
        progress.events,
        inputs.scalars,
        inputs.hosts,
        thumbnails.thumbnails,
        watched,
        # The watcher has one of the connections.
        partial(heads.idle_connections, most=most - 1),
        storage.deleted_database,  # the last one
    ]
    chosen = [each for each in attacks if only in name_of(each)]
    flags = ("--max-connections", str(most), "--body-timeout", str(heads.BODY_SECONDS))
    if chosen:
        with running(root / "clients", model, *flags, *progress.FLAGS) as target:
            for attack in chosen:
                yield from attack(target, full=full)
    if only in "floods":
        known, other = (keys.add_key(root / "keys", owner) for owner in ("anna", "bert"))
        with running(root / "keys", model, *keys.FLAGS) as target:
            yield from keys.floods(target, known, other, full=full)
    if only in "full_disk":
        yield from storage.full_disk(root / "disk", model)


def name_of(attack: Attack) -> str:
    """Return the name of an attack's function."""
    function: Any = getattr(attack, "func", attack)
    return str(function.__name__)


def watched(target: Target, *, full: bool) -> Iterator[Row]:  # noqa: ARG001  # as the attacks
    """Report the health checks during all attacks so far."""
    yield Row(
        "all of these: health checks",
        "none fails",
        f"{target.failed_checks} failed",
        target.failed_checks == 0,
    )


if __name__ == "__main__":
    main()
