"""Every statement of the SQLite adapters finds its rows by an index.

The tests collect the statements that run while every method is called with every filter, order and
cursor, so that no new statement can be forgotten.
"""

from __future__ import annotations

import inspect
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from api.services.labels import LabelOrder, find_by_label
from core.backends.sqlite import Database
from core.domain.blob import Blob, BlobStatus, ImageType
from core.domain.blob_list import BlobFilter, BlobListPlan, BlobOrder, plan_blob_list
from core.domain.clock import Clock
from core.domain.deletion import set_deletion
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict
from core.domain.edits import set_facts
from core.domain.errors import (
    AlreadyExists,
    ExternalIdTaken,
    InvalidValue,
    QuotaExceeded,
    VersionConflict,
)
from core.domain.facts import Facts, FactsFilter, Pair, metadata_of
from core.domain.label_filter import LabelFilter
from core.domain.own_vocabulary import OwnVocabulary
from core.domain.pagination import Position
from core.domain.similar import SimilarKind
from core.queues.sqlite import SqliteQueue
from core.repositories.ports.blobs import BlobLabels
from core.repositories.ports.owners import ApiKey
from core.repositories.ports.uploads import IdempotencyKey, UploadLimits
from core.repositories.sqlite.blobs import SqliteBlobRepository
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from core.repositories.sqlite.embeddings import count_embeddings, documents_of, read_embeddings
from core.repositories.sqlite.owners import SqliteOwnerRepository
from core.repositories.sqlite.uploads import SqliteUploadRepository
from core.repositories.sqlite.vocabularies import SqliteVocabularyRepository
from embedded.migrations import MIGRATIONS
from embedded.similar.index import SimilarIndex
from tests.support.blobs import NOON, a_blob, again, labelled, uploaded
from tests.support.images.embeddings import embedding

# Statements that may read a whole table, and why.
MAY_SCAN = {
    " IN () ": "a constant: the statement ends before it reads a row",
    "SELECT hash, owner, name, created_at, scopes, expires_at, last_used_at FROM api_keys": (
        "lists all keys, for the operator's own command"
    ),
    "SELECT id, document FROM owners": (
        "checks once, when the service starts, that all secrets can be decrypted"
    ),
    "SELECT coalesce(min(sequence), 0) FROM feeds": "feeds has one row for each reader: one",
    "UPDATE deliveries SET lease = NULL, lease_until = 0 WHERE state = 'pending'": (
        "once, when the service starts: reads the pending ones only, by their partial index"
    ),
    "row_number() OVER (PARTITION BY owner, endpoint ORDER BY look_at)": (
        "reads what is due by its index, and sorts that: each endpoint's first, then its second"
    ),
    "WHERE owner <> '": (
        "counts the leases of other owners by the partial index of leases: one for each sender"
    ),
    "WHERE state = 'pending' AND (": (
        "lists all that is pending by its partial index, for the operator's own command"
    ),
}
NOT_ROWS = re.compile(r"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|PRAGMA|CREATE)\b", re.IGNORECASE)
LEASE = timedelta(seconds=30)


class Traced(Database):
    """A database that records every statement of its connections, with its values."""

    def __init__(self, path: Path) -> None:
        self.statements: dict[str, str] = {}
        super().__init__(path, MIGRATIONS)

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.set_trace_callback(self._note)
        return connection

    def _note(self, statement: str) -> None:
        # Values differ, statements don't.
        shape = re.sub(r"'(?:[^']|'')*'|\b[\d.]+\b", "?", statement)
        self.statements.setdefault(shape, statement)


def exercise_blobs(database: Database, clock: Clock) -> list[str]:
    records = SqliteBlobRepository(database, clock)
    called = Calls(records)
    blob = a_blob(facts=Facts("a.jpg", "1", metadata_of([("album", "a"), ("year", "1")])))
    called.create(blob)
    with pytest.raises(AlreadyExists):
        called.create(blob)
    with pytest.raises(ExternalIdTaken):
        called.create(a_blob(facts=Facts(external_id="1")))
    before, blob = blob, set_facts(blob, NOON, Facts("b.jpg", "2", metadata_of([("year", "2")])))
    called.save(blob, before)
    for step in (
        uploaded,
        lambda b: labelled(b, ("Cat", 90.0), ("Dog", 80.0)),
        again,
        lambda b: labelled(b, ("Cat", 70.0), ("Cow", 80.0)),
    ):
        before, blob = blob, step(blob)
        called.save(blob, before, embedding())
    with pytest.raises(VersionConflict):
        called.save(blob, before)
    before, blob = blob, again(blob)
    called.save_many([(blob, before), (blob, before)])
    before, blob = blob, labelled(blob, ("Cat", 60.0), ("Cow", 80.0))
    called.save(blob, before, embedding())
    called.get(blob.id)
    called.find_embedding("anna", blob.id)
    for wanted in ([], [blob.id], [blob.id, "other"]):
        called.find("anna", wanted)
    for plan, after in every_list(blob):
        called.find_page("anna", plan, first=2, after=after)
        called.count("anna", plan)
    for owner, after in product([None, "anna"], [None, blob.id]):
        called.scan(owner, 2, after)
    for order, least, after in product(LabelOrder, [0.0, 70.0], [None, (90.0, blob.id)]):
        find_by_label(
            called, "anna", "cat", min_confidence=least, order=order, first=2, after=after
        )
    exercise_labels(called, blob)
    called.find_abandoned(NOON, 10)
    before, blob = blob, set_deletion(blob, NOON, NOON)
    called.save(blob, before)
    called.find_due_deletions(NOON, 10)
    called.delete(blob, NOON)
    called.was_deleted("anna", blob.id)
    called.find_unfinished_deletions(NOON, 10)
    called.finish_deletion(blob.id)
    called.trim_deleted(NOON)
    changes = Calls(records.changes)
    changes.read_after(0, 10)
    changes.position("notifier")
    changes.save_position("notifier", 1)
    changes.trim(NOON + timedelta(days=1))
    # The repository itself records changes; the other two run no statement.
    others = ("record", "listen", "watch")
    return [*called.missed(), *(name for name in changes.missed() if name not in others)]


def every_list(blob: Blob) -> Iterator[tuple[BlobListPlan, Position | None]]:
    """Yield the plan of every combination of conditions and orders, and where its pages start."""
    yield from lists_of(blob, FactsFilter())
    for facts in (
        FactsFilter(external_ids=("1",)),
        FactsFilter(external_ids=("1", "2", "3"), metadata=(Pair("a", "b"),)),
        FactsFilter(metadata=(Pair("a", "b"), Pair("c", "d"))),
        FactsFilter("a", metadata=(Pair("a", "b"),)),
        FactsFilter("a"),
    ):
        yield from lists_of(blob, facts, fewer=True)


def lists_of(
    blob: Blob, facts: FactsFilter, *, fewer: bool = False
) -> Iterator[tuple[BlobListPlan, Position | None]]:
    """Yield the plans of every combination, or of fewer, with some conditions on facts."""
    some = [(), ("cat",), ("cat", "dog")]
    for statuses, times, digest, every, either, none, order in product(
        [
            (),
            (BlobStatus.LABELLED,),
            (BlobStatus.LABELLING,),
            (BlobStatus.LABELLED, BlobStatus.FAILED),
        ],
        [(None, None), (NOON, None), (NOON, NOON + timedelta(hours=1))],
        [None, "c2hh"],
        some[: 2 if fewer else 3],
        some[: 1 if fewer else 3],
        some[: 1 if fewer else 2],
        BlobOrder,
    ):
        labels = LabelFilter(every, either, none, 50.0 if every or either or none else 0.0)
        try:
            wanted = BlobFilter(statuses, *times, digest, labels, facts)
            plan = plan_blob_list(wanted, order)
        except InvalidValue:
            continue  # refused: no statement runs
        first = {BlobOrder.CONFIDENCE: (90.0,), BlobOrder.FILE_NAME: ("b.jpg",)}.get(order, ())
        yield from ((plan, None), (plan, (*first, blob.id)))
        if not (digest or either or none or fewer):
            confirmed = replace(labels, confirmed=True, found=True)
            types = replace(wanted, content_types=(ImageType.TIFF, ImageType.HEIC))
            yield plan_blob_list(types, order), None
            yield plan_blob_list(replace(types, labels=confirmed), order), None


def exercise_labels(called: Calls, blob: Blob) -> None:
    for prefix, after in product(["", "c"], [None, "a", "cat"]):
        called.find_labels("anna", prefix, first=2, after=after)
        place = (2, after) if after else None
        called.find_labels_by_count("anna", prefix, first=2, after=place)
    for wanted in ([], ["cat"], ["cat", "dog"]):
        called.find_label_summaries("anna", wanted)
        called.find_newest("anna", wanted)
    for version, names in ((3, ["Cat", "Dog"]), (3, ["Cat"]), (5, ["Cat", "Cow"])):
        called.count_labels("anna", blob.id, version, names)
    called.count_batch([BlobLabels("anna", blob.id, 9, ["Cow"])])
    called.uncount_labels("anna", blob.id)


def exercise_embeddings(database: Database, clock: Clock) -> list[str]:
    records = SqliteBlobRepository(database, clock)
    blob = a_blob()
    records.create(blob)
    records.save(uploaded(blob), blob)
    records.save(labelled(uploaded(blob)), uploaded(blob), embedding())
    called = Calls(SimilarIndex(database, encode=lambda _text: embedding()))
    called.find("anna", blob.id, SimilarKind.SIMILAR, first=2)
    called.find_by_text("anna", "a cow", first=2)
    with database.read() as connection:
        read_embeddings(connection, "anna", "eye/1", 0, 10)
        count_embeddings(connection, "anna", "eye/1")
        documents_of(connection, "anna", [blob.id, "other"])
    return called.missed()


def exercise_vocabularies(database: Database, _: Clock) -> list[str]:
    called = Calls(SqliteVocabularyRepository(database))
    for version in (1, 2):
        called.replace("anna", OwnVocabulary(version), NOON)
    called.find("anna")
    return called.missed()


def exercise_uploads(database: Database, clock: Clock) -> list[str]:
    called = Calls(
        SqliteUploadRepository(
            database, SqliteBlobRepository(database, clock), UploadLimits(per_minute=3, open=2)
        )
    )
    key = IdempotencyKey("a", "d")
    for _ in range(2):
        called.reserve(a_blob(), key)
    called.reserve(a_blob())
    for at in (NOON, NOON + timedelta(minutes=1)):
        with pytest.raises(QuotaExceeded):
            called.reserve(a_blob(at))
    called.trim(NOON)
    return called.missed()


def exercise_deliveries(database: Database, _: Clock) -> list[str]:
    called = Calls(SqliteDeliveryRepository(database, senders=2))
    delivery = Delivery("msg_1", "1", "anna", "https://example.test/", b"{}", NOON, NOON)
    called.add(delivery)
    called.add(delivery)
    claim = called.claim("msg_1", NOON, LEASE)
    called.claim("msg_1", NOON, LEASE)
    called.find_due(NOON, 10)
    for wanted in ([], ["1"], ["1", "2"]):
        called.find_latest("anna", wanted)
        called.find("anna", wanted)
    called.get("msg_1")
    for state, owner, since in product(DeliveryState, [None, "anna"], [None, NOON]):
        list(called.find_by_state(state, owner=owner, since=since))
    called.next_in_line("anna", delivery.endpoint, NOON)
    called.disable_endpoint("anna", delivery.endpoint, NOON)
    called.enable_endpoint("anna", delivery.endpoint)
    called.disabled_endpoints("anna")
    for _attempt in range(2):
        called.finish(claim, Attempt(1, NOON, NOON, 200), Verdict(DeliveryState.DELIVERED))
    called.redeliver("msg_1", NOON)
    called.release_leases()
    full = Calls(SqliteDeliveryRepository(database, per_endpoint=0))
    full.claim("msg_1", NOON, LEASE)
    called.remove("1", NOON)
    return called.missed()


def exercise_owners(database: Database, _: Clock) -> list[str]:
    called = Calls(SqliteOwnerRepository(database, lambda: "whsec_"))
    anna = called.get_or_create("anna")
    called.get_or_create("anna")
    called.find_owner("anna")
    called.stored_secrets()
    called.save_owner(anna, anna)
    called.add_key(ApiKey("ab", "anna", "laptop", NOON))
    called.find_key("ab")
    called.list_keys()
    called.note_key_use("ab", NOON)
    called.end_key("ab", NOON)
    called.remove_key("ab")
    return called.missed()


def exercise_queue(database: Database, clock: Clock) -> list[str]:
    queue = SqliteQueue(database, "work", clock, visibility=timedelta(0), max_receives=2)
    called = Calls(queue)
    for limit in (1, 10):
        called.send("a", delay=timedelta(0))
        (message,) = called.receive(limit=limit)
        called.change_visibility(message.receipt, timedelta(seconds=9))
        called.release_all()
        (message,) = called.receive(limit=limit)
        assert called.receive(limit=limit) == []
    called.send("b")
    called.delete(called.receive()[0].receipt)
    called.depth()
    called.dead_depth()
    called.dead_letters(10)
    called.send_dead_letter("c")
    called.redrive()
    called.discard("1")
    called.note_error("1", "why")
    called.wake()
    called.close()
    return called.missed()


def exercise_database(database: Database, _: Clock) -> list[str]:
    database.get_or_create("secret", str)
    database.check_writable()
    return []


class Calls:
    """An adapter that records which of its methods were called."""

    def __init__(self, adapter: object) -> None:
        self._adapter = adapter
        self._called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        self._called.add(name)
        return getattr(self._adapter, name)

    def missed(self) -> list[str]:
        """Return the public methods that were not called."""
        methods = inspect.getmembers(type(self._adapter), inspect.isfunction)
        return [n for n, _ in methods if not n.startswith("_") and n not in self._called]


EXERCISES: dict[str, Callable[[Database, Clock], list[str]]] = {
    "blobs": exercise_blobs,
    "embeddings": exercise_embeddings,
    "vocabularies": exercise_vocabularies,
    "uploads": exercise_uploads,
    "deliveries": exercise_deliveries,
    "owners": exercise_owners,
    "queue": exercise_queue,
    "database": exercise_database,
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Traced]:
    database = Traced(tmp_path / "labelling.sqlite")
    yield database
    database.close()


def plan_of(database: Database, statement: str) -> list[str]:
    with database.read() as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    return [row[3] for row in rows]


def faults(database: Database, statement: str) -> list[str]:
    """Return the steps of a statement's plan that scan a table or sort."""
    # A seek names its bounds in brackets; min() over a whole table is called a SEARCH too.
    return [
        step
        for step in plan_of(database, statement)
        if (step.startswith("SCAN") and step != "SCAN CONSTANT ROW")
        or (step.startswith("SEARCH") and "(" not in step)
        or "TEMP B-TREE" in step
    ]


@pytest.mark.parametrize("adapter", EXERCISES)
def test_every_statement_seeks(database: Traced, clock: Clock, adapter: str) -> None:
    """It searches by an index, and neither scans nor sorts."""
    database.statements.clear()
    assert EXERCISES[adapter](database, clock) == [], "methods that this test doesn't call"
    run = [each for each in database.statements.values() if not NOT_ROWS.match(each)]
    assert run
    found = {
        statement: wrong
        for statement in run
        if not any(known in statement for known in MAY_SCAN)
        and (wrong := faults(database, statement))
    }
    assert found == {}
    for statement in run:
        if statement.startswith("SELECT"):
            assert plan_of(database, statement), f"no plan for {statement}"


def test_every_exception_is_needed(database: Traced, clock: Clock) -> None:
    """A statement that no longer scans, or no longer runs, is removed from the list."""
    for exercise in EXERCISES.values():
        exercise(database, clock)
    run = list(database.statements.values())
    for known in MAY_SCAN:
        assert any(known in statement and faults(database, statement) for statement in run), known


def test_scan_and_sort_are_detected(database: Traced) -> None:
    """Otherwise this file would prove nothing."""
    assert faults(database, "SELECT * FROM blobs WHERE document = ''") == ["SCAN blobs"]
    sorting = "SELECT * FROM blobs WHERE deletes_at IS NULL AND owner = '' ORDER BY version"
    assert faults(database, sorting) == ["USE TEMP B-TREE FOR ORDER BY"]


def test_sweep_reads_only_due_deliveries(database: Traced, clock: Clock) -> None:
    """Not all pending ones: a hundred thousand may wait in line."""
    SqliteDeliveryRepository(database).find_due(NOON, 10)
    (statement,) = [each for each in database.statements.values() if "row_number()" in each]
    reads = [step for step in plan_of(database, statement) if "deliveries" in step]
    assert reads == ["SEARCH deliveries USING INDEX deliveries_due (look_at<?)"]
