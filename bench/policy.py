#!/usr/bin/env python3
"""A changed label policy on SQLite: how long until all stored blobs have its labels.

    python bench/policy.py [--blobs N] [--smoke]

Each blob has ten labels. A line for each policy: how many blobs it changes, the seconds that the
run took, those of CPU, and the blobs examined in a second; then the seconds in which all labels
were counted. The first hides a label that every fifth blob has, the second renames a label of all
blobs. The goal is 60 seconds for 100,000 blobs. Every count must be right at the end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from core.backends.sqlite import Database
from core.domain.clock import utc_now
from core.domain.label_policy import LabelAction, LabelPolicy, LabelRule
from core.repositories.ports.blobs import BlobLabels
from core.repositories.ports.policies import set_policy_of
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.label_counts import find_wrong_counts
from embedded.migrations import MIGRATIONS
from labeller.policy_run import PolicyRun
from tests.support.services.stored_blobs import store_labelled

GOAL: Final = 60.0  # seconds for 100,000 blobs
POLICIES: Final = {
    "every fifth": (LabelRule(LabelAction.HIDE, "Cat"),),
    "all": (LabelRule(LabelAction.RENAME, "Thing 0", replacement="First"),),
}


def apply(blobs: SqliteBlobRepository, rules: tuple[LabelRule, ...]) -> tuple[int, float, float]:
    """Set a policy and apply it; return the number of changed blobs, seconds, and CPU seconds."""
    before = edits(blobs)
    version = blobs.policies.find("anna").policy.version
    set_policy_of(blobs.policies, "anna", LabelPolicy(version, rules=rules), utc_now())
    started, cpu = time.perf_counter(), time.process_time()
    PolicyRun(blobs, utc_now)(3600)
    taken, used = time.perf_counter() - started, time.process_time() - cpu
    return edits(blobs) - before, taken, used


def edits(blobs: SqliteBlobRepository) -> int:
    """Return how often all blobs were edited."""
    found = 0
    after: str | None = ""
    while after is not None:
        page, after = blobs.scan("anna", 1000, after)
        found += sum(blob.edits for blob in page)
    return found


def count(database: Database, blobs: SqliteBlobRepository, number: int) -> float:
    """Count the labels of all blobs, in batches as the notifier's; return the seconds."""
    started = time.perf_counter()
    after: str | None = ""
    while after is not None:
        page, after = blobs.scan("anna", 100, after)
        blobs.count_batch(
            [
                BlobLabels("anna", blob.id, blob.version, [each.name for each in blob.labels or ()])
                for blob in page
            ]
        )
    if wrong := find_wrong_counts(database):
        raise SystemExit(f"of {number} blobs, counts are wrong: {wrong}")
    return time.perf_counter() - started


def main() -> int:
    parser = argparse.ArgumentParser(description="A changed label policy on SQLite.")
    parser.add_argument("--blobs", type=int, default=100_000)
    parser.add_argument("--smoke", action="store_true", help="the smallest numbers")
    given = parser.parse_args()
    number = 200 if given.smoke else given.blobs
    slow = False
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder, "blobs.sqlite"), MIGRATIONS)
        blobs = SqliteBlobRepository(database, utc_now)
        store_labelled(database, blobs, number)
        for name, rules in POLICIES.items():
            edited, taken, cpu = apply(blobs, rules)
            counted = count(database, blobs, number)
            slow |= taken / number * 100_000 > GOAL
            rate = number / taken
            print(
                f"{name:12} {edited} of {number} changed, {taken:.1f} s, {cpu:.1f} s of CPU,"
                f" {rate:,.0f} a second; counted in {counted:.1f} s",
                flush=True,
            )
        database.close()
    return 0 if given.smoke or not slow else 1


if __name__ == "__main__":
    sys.exit(main())
