#!/usr/bin/env python3
"""Pages of lists in a large SQLite database, compared with the same pages in a small one.

    python bench/lists.py [--blobs N] [--pages N] [--smoke]

Two databases have the same mixture of states and labels: 1,000 blobs, and N (1,000,000). Each row
is a filter and an order of `blobs`. Its pages have 20 blobs and start at random places of the
list, alternately in the small and in the large database. The table has the median CPU time of a
page from the repository, in milliseconds, and the ratio. It ends with 1 if a ratio is above its
goal. The last rows are pages that examine a thousand entries in vain, in the large database.

The goal is 1.5, and 2 in the order CONFIDENCE. Blobs of similar confidence are far apart in the
table, so each blob of a page is on a database page of its own, which SQLite reads from the system's
cache: about 5 µs each. At a million blobs the entries of a page alone take 1.1 times what they take
at a thousand, with their documents 4 times (127 µs of 30), and the whole page, with its parsing,
1.5 to 1.7 times. A table with rowids (123 µs), a cache of 64 MB, not 2 (1.5 times), and mapped
memory (1.4 times) change little. Only documents within the index would, for as many copies of each
as the blob has labels.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from core.backends.sqlite import Database
from core.domain.blob import Blob, BlobStatus, Failure, FailureCode, ImageType
from core.domain.blob_list import BlobFilter, BlobListPlan, BlobOrder, plan_blob_list
from core.domain.clock import to_text, ulid_floor, utc_now
from core.domain.facts import NO_CONDITIONS, Facts, FactsFilter, Pair, pair_name
from core.domain.label import Label
from core.domain.label_filter import NO_LABELS, LabelFilter
from core.domain.pagination import Position
from core.repositories.serialization import blob_to_document
from core.repositories.sqlite import blobs as sqlite_blobs
from core.repositories.sqlite.blobs import SqliteBlobRepository
from embedded.migrations import MIGRATIONS

SMALL: Final = 1000
GOAL: Final = 1.5  # times a page of the small database
GOAL_BY_CONFIDENCE: Final = 2.0
PAGE: Final = 20
BATCH: Final = 20_000  # blobs of a transaction
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
NAMES: Final = 10_000_000  # of files
NAMES_APART: Final = 7919  # of one blob and the next
STEP: Final = timedelta(seconds=1)  # from a blob to the next
# In percent: the states of blobs, and the labels of labelled ones.
STATUSES: Final = {"LABELLED": 84, "FAILED": 10, "AWAITING_UPLOAD": 3, "LABELLING": 2, "EXPIRED": 1}
LABELS: Final = {"Animal": 50, "Tree": 40, "Person": 30, "Cat": 20, "Dog": 20, "Car": 10}


@dataclass(frozen=True)
class Listing:
    """A row of the table."""

    order: str = "NEWEST"
    statuses: tuple[str, ...] = ()
    labels: LabelFilter = NO_LABELS
    dates: bool = False
    facts: FactsFilter = NO_CONDITIONS
    types: tuple[ImageType, ...] = ()

    @property
    def goal(self) -> float:
        return GOAL_BY_CONFIDENCE if self.order == "CONFIDENCE" else GOAL

    def __str__(self) -> str:
        labels = self.labels
        parts = [
            " or ".join(self.statuses),
            " and ".join(labels.all),
            " or ".join(labels.any),
            *(f"not {name}" for name in labels.none),
            f"at least {labels.min_confidence:g}" if labels.min_confidence else "",
            "dates" if self.dates else "",
            *(f"{key} {value}" for key, value in self.facts.metadata),
            " or ".join(each.name for each in self.types),
            {None: "", True: "confirmed", False: "not confirmed"}[labels.confirmed],
        ]
        return ", ".join(filter(None, parts)) or "all"


CAT: Final = LabelFilter(all=("Cat",))
LISTS: Final = [
    Listing(),
    Listing(statuses=("FAILED",)),
    Listing("OLDEST", statuses=("LABELLED", "FAILED")),
    Listing(dates=True),
    Listing("OLDEST", statuses=("LABELLED",), dates=True),
    *(Listing(order, labels=CAT) for order in ("NEWEST", "OLDEST", "CONFIDENCE")),
    Listing("FILE_NAME"),
    Listing(facts=FactsFilter(metadata=(Pair("album", "3"),))),
    Listing(statuses=("LABELLED",), labels=CAT, dates=True),
    Listing("CONFIDENCE", statuses=("LABELLED",), labels=CAT, dates=True),
    Listing(labels=LabelFilter(any=("Cat", "Dog"))),
    Listing(labels=LabelFilter(all=("Animal", "Tree"), none=("Car",))),
    Listing(statuses=("LABELLED",), labels=LabelFilter(none=("Cat",))),
    Listing(types=(ImageType.JPEG,)),
    Listing(labels=LabelFilter(all=("Cat",), confirmed=False)),
]
IN_VAIN: Final = [
    Listing(labels=LabelFilter(all=("Animal",), min_confidence=99.99)),
    Listing("OLDEST", labels=LabelFilter(any=("Animal", "Tree", "Dog"), min_confidence=99.99)),
    Listing(types=(ImageType.TIFF,)),
    Listing(labels=LabelFilter(all=("Animal",)), types=(ImageType.TIFF,)),
    Listing(labels=LabelFilter(confirmed=True)),
    Listing(labels=LabelFilter(all=("Animal",), confirmed=True)),
]


class Catalogue:
    """A database of so many blobs."""

    def __init__(self, path: Path, number: int) -> None:
        database = Database(path, MIGRATIONS)
        self.number = number
        self.span = number * STEP
        self.blobs = SqliteBlobRepository(database, utc_now)
        fill(database, number)

    def plan(self, listing: Listing) -> BlobListPlan:
        statuses = tuple(map(BlobStatus, listing.statuses))
        wanted = BlobFilter(
            statuses, labels=listing.labels, facts=listing.facts, content_types=listing.types
        )
        if listing.dates:
            wanted = replace(wanted, created_after=self.part(0.1), created_before=self.part(0.9))
        return plan_blob_list(wanted, BlobOrder(listing.order))

    def part(self, share: float) -> datetime:
        return START + share * self.span

    def page(self, plan: BlobListPlan, chance: random.Random, items: int) -> float:
        """Return the CPU milliseconds of a page that starts in the middle of the list."""
        after: Position = (ulid_floor(self.part(chance.uniform(0.4, 0.6))),)
        if plan.order is BlobOrder.CONFIDENCE:
            after = (chance.uniform(75, 90), *after)
        if plan.order is BlobOrder.FILE_NAME:
            last = min(self.number * NAMES_APART, NAMES)
            after = (f"{int(chance.uniform(0.4, 0.6) * last):07}.jpg", *after)
        sqlite_blobs._load.cache_clear()  # noqa: SLF001
        started = time.process_time_ns()
        page = self.blobs.find_page("anna", plan, first=PAGE, after=after)
        taken = (time.process_time_ns() - started) / 1e6
        if len(page.items) != items:
            raise SystemExit(f"a page has {len(page.items)} blobs, not {items}")
        return taken


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--blobs", type=int, default=1_000_000, help="in the large database")
    options.add_argument("--pages", type=int, default=400, help="of each list and database")
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    if given.smoke:
        given.blobs, given.pages = 2000, 3
    chance = random.Random(1)  # noqa: S311
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        small, large = (
            Catalogue(Path(folder) / f"{each}.sqlite", each) for each in (SMALL, given.blobs)
        )
        print(f"{'list':38} {'order':10} {SMALL:>9,} {given.blobs:>9,} {'ratio':>6}", flush=True)
        for listing in LISTS:
            few, many = small.plan(listing), large.plan(listing)
            times = [
                (small.page(few, chance, PAGE), large.page(many, chance, PAGE))
                for _ in range(given.pages)
            ]
            one, other = (median(each) for each in zip(*times, strict=True))
            missed += other / one > listing.goal
            name = f"{listing!s:38} {listing.order:10}"
            print(f"{name} {one:9.3f} {other:9.3f} {other / one:6.2f}", flush=True)
        for listing in IN_VAIN:
            plan = large.plan(listing)
            taken = median(large.page(plan, chance, 0) for _ in range(given.pages))
            print(f"{listing!s:38} {listing.order:10} {'-':>9} {taken:9.3f} {'-':>6}", flush=True)
    print(f"{missed} of {len(LISTS)} lists above the goal")
    sys.exit(1 if missed and not given.smoke else 0)


def fill(database: Database, number: int) -> None:
    """Store blobs of Anna's, with their label entries and the summaries of labels."""
    made = rows(number)
    counts: Counter[str] = Counter()
    while some := list(islice(made, BATCH)):
        with database.write(synced=False) as connection:
            connection.executemany(
                "INSERT INTO blobs (id, owner, status, version, document, name)"
                " VALUES (?, 'anna', ?, 1, ?, ?)",
                [row for row, _ in some],
            )
            connection.executemany(
                "INSERT INTO metadata_entries VALUES ('anna', ?, ?)",
                [(pair_name(("album", album_of(row[3]))), row[0]) for row, _ in some],
            )
            entries = [
                (label.name.casefold(), row[0], label.confidence)
                for row, labels in some
                for label in labels
            ]
            connection.executemany("INSERT INTO label_entries VALUES ('anna', ?, ?, ?)", entries)
        counts.update(label for label, _, _ in entries)
    with database.write() as connection:
        connection.executemany(
            "INSERT INTO label_summaries VALUES ('anna', ?, ?, ?)",
            [(label, label.title(), count) for label, count in counts.items()],
        )


def name_of(number: int) -> str:
    """Return the name of a blob's file; names are not in the order of creation."""
    return f"{number * NAMES_APART % NAMES:07}.jpg"


def album_of(name: str) -> str:
    """Return the album of a blob, one of ten."""
    return name[6]


def rows(number: int) -> Iterator[tuple[tuple[str, str, str, str], list[Label]]]:
    """Yield the columns of each blob, oldest first, and its labels."""
    chance = random.Random(2)  # noqa: S311
    texts = {status: template(status) for status in BlobStatus}
    for n in range(number):
        at = START + n * STEP
        (status,) = chance.choices(list(STATUSES), list(STATUSES.values()))
        labels = [
            Label(name, round(chance.uniform(55, 99.9), 6))
            for name, share in LABELS.items()
            if status == "LABELLED" and chance.uniform(0, 100) < share
        ]
        blob_id = f"{ulid_floor(at)[:10]}{n:016}"
        document = (
            texts[BlobStatus(status)]
            .replace("@id", blob_id)
            .replace("@at", to_text(at))
            .replace("@name", name_of(n))
            .replace("@album", album_of(name_of(n)))
            .replace(
                '"@labels"',
                ",".join(
                    f'{{"name":"{each.name}","confidence":{each.confidence}}}' for each in labels
                ),
            )
        )
        yield (blob_id, status, document, name_of(n)), labels


def template(status: BlobStatus) -> str:
    """Return the document of a blob, with marks in place of its id, time and labels."""
    done = status is BlobStatus.LABELLED
    damaged = Failure(FailureCode.CORRUPT_IMAGE, "The file is damaged.")
    blob = Blob(
        "@id",
        "anna",
        status,
        ImageType.JPEG,
        START,
        max_labels=10,
        min_confidence=55.0,
        failure=damaged if status is BlobStatus.FAILED else None,
        width=640,
        height=480,
        finished_at=START if done else None,
        detector="detector 1",
        facts=Facts("@name", metadata=(Pair("album", "@album"),)),
    )
    document: dict[str, Any] = {**blob_to_document(blob), "created_at": "@at"}
    return json.dumps({**document, "labels": ["@labels"]} if done else document)


if __name__ == "__main__":
    main()
