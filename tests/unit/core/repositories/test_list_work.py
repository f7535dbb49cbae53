"""The work of a page does not grow with the number of blobs: entries and steps are counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from core.backends.sqlite import Database
from core.domain.blob import Blob, BlobStatus, ImageType
from core.domain.blob_list import MAX_EXAMINED, BlobFilter, BlobOrder, plan_blob_list
from core.domain.facts import Facts, FactsFilter, Pair
from core.domain.label_filter import LabelFilter
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.table import Table
from core.repositories.serialization import blob_from_document
from core.repositories.sqlite import blob_lists
from core.repositories.sqlite.blobs import SqliteBlobRepository
from embedded.migrations import MIGRATIONS
from tests.support.aws.dynamodb import dynamodb_client, table_definition
from tests.support.aws.moto import moto_aws
from tests.support.blobs import NOON, a_blob, labelled, moments, uploaded

LATER = NOON.replace(hour=13)
LISTS = [
    (BlobFilter(), BlobOrder.NEWEST),
    (BlobFilter((BlobStatus.LABELLED, BlobStatus.FAILED)), BlobOrder.OLDEST),
    (BlobFilter(created_before=LATER), BlobOrder.NEWEST),
    (BlobFilter(sha256="c2hh"), BlobOrder.NEWEST),
    (BlobFilter(labels=LabelFilter(all=("Cat",))), BlobOrder.NEWEST),
    (BlobFilter(labels=LabelFilter(all=("Cat",))), BlobOrder.CONFIDENCE),
    (BlobFilter((BlobStatus.LABELLED,), labels=LabelFilter(any=("Cat", "Dog"))), BlobOrder.OLDEST),
    (BlobFilter(labels=LabelFilter(none=("Cow",))), BlobOrder.NEWEST),
    (BlobFilter(), BlobOrder.FILE_NAME),
    (BlobFilter(facts=FactsFilter("img")), BlobOrder.FILE_NAME),
    (BlobFilter(facts=FactsFilter(metadata=(Pair("album", "a"),))), BlobOrder.NEWEST),
]
IN_VAIN = [
    (BlobFilter(labels=LabelFilter(all=("Cat",), none=("Dog",))), BlobOrder.NEWEST),
    (BlobFilter(labels=LabelFilter(all=("Cat",), none=("Dog",))), BlobOrder.CONFIDENCE),
    (BlobFilter(labels=LabelFilter(any=("Cat", "Dog"), min_confidence=99.9)), BlobOrder.OLDEST),
    (BlobFilter(labels=LabelFilter(none=("Cat",))), BlobOrder.NEWEST),
    (BlobFilter((BlobStatus.FAILED,), sha256="c2hh"), BlobOrder.NEWEST),
    (BlobFilter(content_types=(ImageType.TIFF,)), BlobOrder.NEWEST),
    (BlobFilter(labels=LabelFilter(confirmed=True)), BlobOrder.OLDEST),
    (BlobFilter(labels=LabelFilter(found=False)), BlobOrder.NEWEST),
    (BlobFilter(labels=LabelFilter(all=("Cat",), confirmed=True)), BlobOrder.CONFIDENCE),
    (BlobFilter((BlobStatus.FAILED,), facts=FactsFilter("img")), BlobOrder.FILE_NAME),
    (
        BlobFilter(facts=FactsFilter(metadata=(Pair("album", "a"), Pair("year", "1")))),
        BlobOrder.NEWEST,
    ),
    (BlobFilter((BlobStatus.LABELLING,), labels=LabelFilter(all=("Cat",))), BlobOrder.CONFIDENCE),
]


def picture(at: Any, n: int) -> tuple[Blob, Blob, Blob]:
    promised = a_blob(at, facts=Facts(f"IMG_{n}.jpg", metadata=(Pair("album", "a"),)))
    arrived = uploaded(promised)
    return promised, arrived, labelled(arrived, ("Cat", 60.0 + n % 30), ("Dog", 60.0 + n % 7))


def read(document: str) -> Blob:
    return blob_from_document(json.loads(document))


class Catalogue:
    """A database that grows, and counts the steps of SQLite's machine for a page."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, MIGRATIONS)
        self._blobs = SqliteBlobRepository(self._database, lambda: NOON)
        self._moments = moments()
        self._made = count()

    def grow(self, to: int) -> None:
        with self._database.write(synced=False):
            while (n := next(self._made)) < to:
                promised, arrived, done = picture(next(self._moments), n)
                self._blobs.create(promised)
                self._blobs.save(arrived, promised)
                self._blobs.save(done, arrived)

    def steps(self, wanted: BlobFilter, order: BlobOrder) -> int:
        """Return the steps, in hundreds."""
        plan = plan_blob_list(wanted, order)
        hundreds = count()
        with self._database.read() as connection:
            connection.set_progress_handler(lambda: next(hundreds) and 0, 100)
            blob_lists.find_page(connection, "anna", plan, 20, None, read)
            connection.set_progress_handler(None, 0)
        return next(hundreds)

    def close(self) -> None:
        self._database.close()


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    catalogue = Catalogue(tmp_path / "labelling.sqlite")
    yield catalogue
    catalogue.close()


def test_steps_of_sqlite_do_not_grow(catalogue: Catalogue) -> None:
    """For a full page; a page in vain ends at its bound."""
    catalogue.grow(100)
    small = [catalogue.steps(*each) for each in LISTS]
    catalogue.grow(MAX_EXAMINED + 500)
    at_the_bound = [catalogue.steps(*each) for each in IN_VAIN]
    assert [catalogue.steps(*each) for each in LISTS] == pytest.approx(small, abs=1)
    catalogue.grow(MAX_EXAMINED + 1000)
    assert [catalogue.steps(*each) for each in IN_VAIN] == pytest.approx(at_the_bound, abs=1)
    assert min(at_the_bound) > 5 * max(small), "they examine many entries in vain"


class Counting:
    """A client that counts the entries that queries read."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.entries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def query(self, **arguments: Any) -> Any:
        answer = self._client.query(**arguments)
        self.entries += answer["ScannedCount"]
        return answer


@pytest.mark.slow
def test_entries_read_from_dynamodb_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page of every list, full or in vain."""
    monkeypatch.setattr("core.domain.blob_list.MAX_EXAMINED", 14)
    with moto_aws():
        real = dynamodb_client()
        real.create_table(TableName="records", **table_definition())
        client = Counting(real)
        blobs = DynamoBlobRepository(Table(client, "records"))
        for at, n in zip(moments(), range(30), strict=False):
            promised, arrived, done = picture(at, n)
            blobs.create(promised)
            blobs.save(arrived, promised)
            blobs.save(done, arrived)
        for wanted, order in (*LISTS, *IN_VAIN):
            plan = plan_blob_list(wanted, order)
            after, pages = None, 0
            while True:
                client.entries = 0
                page = blobs.find_page("anna", plan, first=5, after=after)
                pages += 1
                assert 0 < client.entries <= plan.most_examined(5), (wanted, order)
                if not page.has_next:
                    break
                after = page.reached or plan.position_of(page.items[-1])
            assert pages >= 2
