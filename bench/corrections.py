#!/usr/bin/env python3
"""Corrections of labels on SQLite: how long one takes, what pages cost, and that none is lost.

    python bench/corrections.py [--blobs N] [--corrections N] [--relabels N] [--smoke]

Three lines:

- Milliseconds of a correction of one blob, as the API makes it, until it is on disk: median and
  99th percentile. Each adds one label and removes one.
- CPU milliseconds of a page of 20 blobs with one label (median), from a database in which every
  fifth blob was corrected, and from one without corrections; the ratio has the goal 1.1.
- A blob is labelled again N times by changing detectors, and corrected now and then: its labels
  must be those of its decisions each time.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from api.services.corrections import correct_many
from api.services.dependencies import Services
from api.services.labels import LabelOrder, find_by_label
from core.backends.sqlite import Database
from core.domain.blob import (
    Blob,
    BlobStatus,
    ImageType,
    label_again,
    record_labels,
)
from core.domain.clock import new_id, utc_now
from core.domain.corrections import Correction, DecisionKind, decide
from core.domain.edits import set_decisions
from core.domain.label import Detection, Label
from core.repositories.sqlite import blobs as sqlite_blobs
from core.repositories.sqlite.blobs import SqliteBlobRepository
from embedded.migrations import MIGRATIONS

GOAL: Final = 1.1  # times a page without corrections
PAGE: Final = 20
BATCH: Final = 5000  # blobs of a transaction
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
LABELS: Final = tuple(
    Label(f"Thing {n}", 95.0 - n, ("Object", "Matter"), aliases=(f"Item {n}",)) for n in range(9)
)
CAT, DOG, COW = (Label(name, 60.0, ("Animal",)) for name in ("Cat", "Dog", "Cow"))


def labelled(number: int) -> Blob:
    at = START + timedelta(seconds=number)
    blob = Blob(new_id(at), "anna", BlobStatus.LABELLING, ImageType.JPEG, at, 10, 55.0)
    return record_labels(blob, at, Detection((*LABELS, CAT), 640, 480, "eye 1"))


def corrected(blob: Blob, *wanted: Correction) -> Blob:
    known = {each.name.casefold(): each for each in (*LABELS, CAT, COW)}
    now = START + timedelta(days=1)
    return set_decisions(
        blob, now, decide(blob.id, blob.decisions, wanted, known, now, "key:bench")
    )


def fill(path: Path, number: int, *, every: int) -> tuple[Database, SqliteBlobRepository]:
    """Make a database of so many labelled blobs, of which every so many is corrected."""
    database = Database(path, MIGRATIONS)
    blobs = SqliteBlobRepository(database, utc_now)
    for first in range(0, number, BATCH):
        with database.write(synced=False):
            for each in range(first, min(first + BATCH, number)):
                blob = labelled(each)
                blobs.create(waiting(blob))
                if every and each % every == 0:
                    blob = corrected(
                        blob,
                        Correction(DecisionKind.CONFIRMED, "Cat"),
                        Correction(DecisionKind.REMOVED, "Thing 1"),
                    )
                blobs.save(blob, waiting(blob))
    return database, blobs


def waiting(blob: Blob) -> Blob:
    """Return the blob as it was before it was labelled, so that a save writes its entries."""
    kind, at = blob.content_type, blob.created_at
    return Blob(blob.id, blob.owner, BlobStatus.LABELLING, kind, at, 10, 55.0)


def correction_times(blobs: SqliteBlobRepository, number: int) -> list[float]:
    """Return the milliseconds of so many corrections, one after the other."""
    ids = [blob.id for blob in scan(blobs, number)]
    services: Any = type("Stores", (), {})()
    services.blobs, services.clock = blobs, utc_now
    services.read = services.write = Services.__dataclass_fields__["read"].default
    wanted = [Correction(DecisionKind.ADDED, "Cow"), Correction(DecisionKind.REMOVED, "Thing 2")]

    async def correct() -> list[float]:
        taken = []
        for blob_id in ids:
            started = time.perf_counter()
            (outcome,) = (
                await correct_many(services, "anna", "key:bench", [blob_id], wanted)
            ).values()
            taken.append((time.perf_counter() - started) * 1000)
            if not isinstance(outcome, Blob):
                raise SystemExit(f"a correction failed: {outcome}")
        return taken

    return asyncio.run(correct())


def scan(blobs: SqliteBlobRepository, number: int) -> Iterable[Blob]:
    found, _ = blobs.scan("anna", number)
    return found


def page_times(catalogues: Iterable[SqliteBlobRepository], number: int, pages: int) -> list[float]:
    """Return the median CPU milliseconds of a page from each database, taken alternately."""
    chance = random.Random(1)  # noqa: S311
    stores = list(catalogues)
    ids = [sorted(blob.id for blob in scan(each, number)) for each in stores]
    taken: list[list[float]] = [[] for _ in stores]
    for _ in range(pages):
        place = chance.randrange(PAGE, number)
        for blobs, mine, times in zip(stores, ids, taken, strict=True):
            sqlite_blobs._load.cache_clear()  # noqa: SLF001
            started = time.process_time_ns()
            page = find_by_label(
                blobs,
                "anna",
                "Cat",
                min_confidence=0,
                order=LabelOrder.NEWEST,
                first=PAGE,
                after=(101.0, mine[place]),
            )
            times.append((time.process_time_ns() - started) / 1e6)
            if len(page.items) != PAGE:
                raise SystemExit(f"a page has {len(page.items)} blobs")
    return list(map(median, taken))


def relabel(blobs: SqliteBlobRepository, number: int) -> int:
    """Label a blob again so many times; return how many decisions were checked."""
    blob = labelled(0)
    blobs.create(blob)
    wanted: dict[str, DecisionKind | None] = {}
    chance = random.Random(2)  # noqa: S311
    names = [each.name for each in (*LABELS, CAT, DOG, COW)]
    checked = 0
    for run in range(number):
        if run % 10 == 0:
            name, kind = chance.choice(names), chance.choice([*DecisionKind, None])
            wanted[name.casefold()] = kind
            changed = corrected(blob, Correction(kind, name))
            if changed is not blob:
                blobs.save(changed, blob)
            blob = changed
        started = label_again(blob, utc_now())
        blobs.save(started, blob)
        found = tuple(chance.sample((*LABELS, CAT, DOG, COW), 6))
        blob = record_labels(started, utc_now(), Detection(found, 640, 480, f"eye {run}"))
        blobs.save(blob, started)
        stored = blobs.get(blob.id)
        if stored is None or stored.labels is None:
            raise SystemExit("the blob is lost")
        carried = {each.name.casefold() for each in stored.labels}
        for key, kind in wanted.items():
            if kind is not None and (key in carried) is (kind is DecisionKind.REMOVED):
                raise SystemExit(f"after {run} runs the decision {kind} about {key} is lost")
            checked += kind is not None
    return checked


def main() -> int:
    parser = argparse.ArgumentParser(description="Corrections of labels on SQLite.")
    parser.add_argument("--blobs", type=int, default=20_000)
    parser.add_argument("--corrections", type=int, default=1000)
    parser.add_argument("--relabels", type=int, default=10_000)
    parser.add_argument("--pages", type=int, default=400)
    parser.add_argument("--smoke", action="store_true", help="the smallest numbers")
    given = parser.parse_args()
    if given.smoke:
        given.blobs, given.corrections, given.relabels, given.pages = 100, 20, 50, 5
    with tempfile.TemporaryDirectory() as folder:
        plain_database, plain = fill(Path(folder, "plain.sqlite"), given.blobs, every=0)
        database, some = fill(Path(folder, "some.sqlite"), given.blobs, every=5)
        without, with_ = page_times([plain, some], given.blobs, given.pages)
        ratio = with_ / without
        print(f"page of 20      {without:.3f} ms without, {with_:.3f} ms with, {ratio:.2f} times")
        times = correction_times(plain, given.corrections)
        worst = quantiles(times, n=100)[98]
        print(f"correction      {median(times):.2f} ms median, {worst:.2f} ms at 99 %")
        checked = relabel(some, given.relabels)
        print(f"labelled again  {given.relabels} times: {checked} decisions held")
        plain_database.close()
        database.close()
    return 0 if ratio <= GOAL or given.smoke else 1


if __name__ == "__main__":
    sys.exit(main())
