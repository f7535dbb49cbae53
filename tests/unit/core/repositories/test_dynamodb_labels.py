"""Label entries and counts on DynamoDB, including entries that earlier versions wrote."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from api.services.labels import LabelOrder, find_by_label
from core.domain.blob import Blob
from core.domain.blob_list import BlobFilter
from core.domain.label_filter import LabelFilter
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.label_entries import entries_of, rank
from core.repositories.dynamodb.table import Table
from core.repositories.ports.blobs import BlobLabels
from core.repositories.serialization import blob_to_document
from tests.support.aws.dynamodb import OneAtATime, dynamodb_client, table_definition
from tests.support.aws.moto import moto_aws
from tests.support.blobs import NOON, a_blob, again, labelled, moments
from tests.support.lists import a_page

pytestmark = pytest.mark.slow

LATER = NOON + timedelta(seconds=5)


class Counting:
    """A client that counts the items that each of its calls writes; it can leave some unwritten."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.writes: list[int] = []
        self.reads: list[str] = []
        self.most = 25

    def transact_write_items(self, TransactItems: list[Any]) -> Any:  # noqa: N803
        self.writes.append(len(TransactItems))
        return self._client.transact_write_items(TransactItems=TransactItems)

    def batch_write_item(self, RequestItems: dict[str, Any]) -> Any:  # noqa: N803
        ((name, requests),) = RequestItems.items()
        self.writes.append(len(requests))
        self._client.batch_write_item(RequestItems={name: requests[: self.most]})
        left = requests[self.most :]
        return {"UnprocessedItems": {name: left} if left else {}}

    def query(self, **arguments: Any) -> Any:
        self.reads.append("query")
        return self._client.query(**arguments)

    def batch_get_item(self, **arguments: Any) -> Any:
        self.reads.append("batch_get_item")
        return self._client.batch_get_item(**arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class Lagging(Counting):
    """A client whose inconsistent reads return the items of an earlier moment."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self.earlier: dict[tuple[str, str], Any] = {}
        self.lags = False
        self.units = 0.0

    def stop(self) -> None:
        """Return what is stored now from every later inconsistent read."""
        items = self._client.scan(TableName="records")["Items"]
        self.earlier = {(each["pk"]["S"], each["sk"]["S"]): each for each in items}
        self.lags = True

    def batch_get_item(self, **arguments: Any) -> Any:
        ((name, asked),) = arguments["RequestItems"].items()
        self.units += len(asked["Keys"]) * (1 if asked["ConsistentRead"] else 0.5)
        if asked["ConsistentRead"] or not self.lags:
            return super().batch_get_item(**arguments)
        places = [(each["pk"]["S"], each["sk"]["S"]) for each in asked["Keys"]]
        known = [self.earlier[place] for place in places if place in self.earlier]
        return {"Responses": {name: known}, "UnprocessedKeys": {}}


@pytest.fixture
def client() -> Iterator[Counting]:
    with moto_aws():
        real = dynamodb_client()
        real.create_table(TableName="records", **table_definition())
        yield Counting(OneAtATime(real))


@pytest.fixture
def blobs(client: Counting) -> DynamoBlobRepository:
    return DynamoBlobRepository(Table(client, "records", pause=lambda _: None))


def found(
    blobs: DynamoBlobRepository, label: str, order: LabelOrder = LabelOrder.NEWEST, first: int = 9
) -> list[tuple[str, float]]:
    """Return the ids of all blobs with a label, page by page, and its confidences."""
    pairs: list[tuple[str, float]] = []
    after = None
    while True:
        page = find_by_label(
            blobs, "anna", label, min_confidence=0, order=order, first=first, after=after
        )
        pairs += [(each.blob.id, each.confidence) for each in page.items]
        if not page.has_next:
            return pairs
        after = (pairs[-1][1], pairs[-1][0])


def store_as_earlier(client: Any, blobs: DynamoBlobRepository, blob: Blob) -> None:
    """Store a blob and its label entries as earlier versions did: they contained the blob."""
    blobs.create(blob)
    document = zlib.compress(json.dumps(blob_to_document(blob)).encode())
    for (pk, _), entry in entries_of(blob).items():
        confidence = float(entry["confidence"]["N"])
        early = {
            "pk": {"S": pk},
            "sk": {"S": blob.id},
            "rank": {"S": rank(confidence, blob.id)},
            "confidence": entry["confidence"],
            "blob": {"B": document},
        }
        client.put_item(TableName="records", Item=early)


def entries_in(client: Any) -> list[str]:
    items = client.scan(TableName="records")["Items"]
    keys = [f"{item['pk']['S']} {item['sk']['S']}" for item in items]
    return sorted(each for each in keys if each.startswith("label#"))


@pytest.mark.parametrize("order", list(LabelOrder))
def test_entries_of_earlier_versions_are_found(
    client: Counting, blobs: DynamoBlobRepository, order: LabelOrder
) -> None:
    """Between new ones, and also while the blob is labelled again."""
    made = [labelled(a_blob(at), ("Cat", 90.0)) for at, _ in zip(moments(), range(6), strict=False)]
    for n, blob in enumerate(made):
        if n % 2:
            store_as_earlier(client, blobs, blob)
        else:
            blobs.create(before := a_blob(blob.created_at, id=blob.id))
            blobs.save(blob, before)
    blobs.save(again(made[1]), made[1])
    for first in (1, 2, 9):
        assert found(blobs, "cat", order, first) == [(blob.id, 90.0) for blob in made[::-1]]
    page = a_page(blobs, "anna", BlobFilter(labels=LabelFilter(all=("Cat",))), first=9)
    assert [blob.id for blob in page.items] == [blob.id for blob in made[::-1]]


@pytest.mark.parametrize("confidence", [90.0, 60.0])
def test_relabelling_replaces_entries_of_earlier_versions(
    client: Counting, blobs: DynamoBlobRepository, confidence: float
) -> None:
    blob = labelled(a_blob(), ("Cat", 90.0), ("Dog", 80.0))
    store_as_earlier(client, blobs, blob)
    started = again(blob)
    blobs.save(started, blob)
    new = labelled(started, ("Cat", confidence), at=LATER)
    blobs.save(new, started)
    assert found(blobs, "Cat") == [(blob.id, confidence)]
    assert found(blobs, "Dog") == []
    assert entries_in(client) == [f"{pk} {sk}" for pk, sk in entries_of(new)]


def test_deletion_removes_entries_of_all_versions(
    client: Counting, blobs: DynamoBlobRepository
) -> None:
    """Those of other blobs stay, even if their ids begin with the same letters."""
    blob = labelled(a_blob(id="1"), ("Cat", 90.0))
    other = labelled(a_blob(id="10"), ("Cat", 90.0))
    for each in (blob, other):
        store_as_earlier(client, blobs, each)
        blobs._table.write_many(entries_of(each).values())
        blobs.count_labels("anna", each.id, each.version, ["Cat"])
    blobs.delete(blob, NOON)
    blobs.uncount_labels("anna", blob.id)
    keys = [sk for _, sk in entries_of(other)]
    assert entries_in(client) == [f"label#anna#cat {sk}" for sk in ("10", *keys)]


@pytest.mark.parametrize("order", list(LabelOrder))
def test_entries_of_labels_that_were_not_stored_are_not_found(
    client: Counting, blobs: DynamoBlobRepository, order: LabelOrder
) -> None:
    """A labeller that ended between the entries and the blob left them. Pages continue behind."""
    with_cat = labelled(a_blob(NOON), ("Cat", 70.0))
    blobs.create(before := a_blob(NOON, id=with_cat.id))
    blobs.save(with_cat, before)
    for at, n in zip(moments(LATER), range(7), strict=False):
        waiting = a_blob(at)
        if n % 2:
            blobs.create(waiting)
        blobs._table.write_many(entries_of(labelled(waiting, ("Cat", 80.0))).values())
    for first in (1, 2, 9):
        assert found(blobs, "Cat", order, first) == [(with_cat.id, 70.0)]


@pytest.mark.parametrize("order", list(LabelOrder))
def test_outdated_reads_hide_no_picture(client: Counting, order: LabelOrder) -> None:
    """Neither a new picture, nor one that was labelled again; others cost half a unit each."""
    lagging = Lagging(client)
    blobs = DynamoBlobRepository(Table(lagging, "records", pause=lambda _: None))
    ids = []
    for at, _ in zip(moments(), range(6), strict=False):
        blobs.create(before := a_blob(at))
        blobs.save(blob := labelled(before, ("Cat", 90.0)), before)
        ids.append(blob.id)
    lagging.stop()
    started = again(blob)
    blobs.save(started, blob)
    blobs.save(labelled(started, ("Cat", 95.0), at=LATER), started)
    blobs.create(before := a_blob(LATER))
    blobs.save(new := labelled(before, ("Cat", 99.0)), before)
    lagging.units = 0
    shown = found(blobs, "Cat", order)
    assert shown == [(new.id, 99.0), (blob.id, 95.0), *((each, 90.0) for each in ids[-2::-1])]
    assert lagging.units == 7 * 0.5 + 2
    page = a_page(blobs, "anna", BlobFilter(labels=LabelFilter(all=("Cat",))), first=9)
    assert [each.id for each in page.items] == [each for each, _ in shown]


def test_entry_contains_no_boxes(client: Counting, blobs: DynamoBlobRepository) -> None:
    """It is below the kilobyte that DynamoDB bills at the least, whatever the blob contains."""
    blob = labelled(a_blob(), *((f"Label {n}", 90.0) for n in range(40)))
    for entry in entries_of(blob).values():
        assert entry.keys() == {"pk", "sk", "rank", "confidence"}
        assert sum(len(str(value)) for value in entry.values()) < 300


def test_unprocessed_writes_are_repeated(client: Counting, blobs: DynamoBlobRepository) -> None:
    """BatchWriteItem may write a part."""
    client.most = 7
    before = a_blob()
    blobs.create(before)
    blob = labelled(before, *((f"Label {n}", 90.0) for n in range(30)))
    blobs.save(blob, before)
    assert client.writes == [25, 23, 16, 9, 2]
    assert len(entries_in(client)) == 30


def test_batch_writes_each_summary_once(client: Counting, blobs: DynamoBlobRepository) -> None:
    """25 blobs with the same ten labels are one transaction of 35 writes."""
    names = [f"Label {n}" for n in range(10)]
    blobs.count_batch([BlobLabels("anna", f"blob {n}", 3, names) for n in range(25)])
    assert client.writes == [35]


def test_transaction_counts_as_many_blobs_as_fit(
    client: Counting, blobs: DynamoBlobRepository
) -> None:
    """DynamoDB allows 100 writes. A blob may replace forty labels by forty."""
    blobs.count_batch(
        [
            BlobLabels("anna", f"blob {n}", 3, [f"{n} {each}" for each in range(40)])
            for n in (1, 2, 3)
        ]
    )
    assert client.writes == [82, 41]
    client.writes.clear()
    blobs.count_labels("anna", "blob 1", 4, [f"new {each}" for each in range(40)])
    assert client.writes == [81]


def test_newest_blobs_take_one_query_a_label_and_one_read(
    client: Counting, blobs: DynamoBlobRepository
) -> None:
    names = [f"label {n}" for n in range(3)]
    for at in [at for at, _ in zip(moments(), range(4), strict=False)]:
        blob = a_blob(at)
        blobs.create(blob)
        blobs.save(labelled(blob, *((name, 90.0) for name in names)), blob)
    client.reads.clear()
    assert set(blobs.find_newest("anna", names)) == set(names)
    assert client.reads == ["query"] * 3 + ["batch_get_item"]


def test_order_by_count_takes_one_query(client: Counting, blobs: DynamoBlobRepository) -> None:
    """Of a megabyte; and it makes counting write no more."""
    names = [f"Label {n}" for n in range(40)]
    blobs.count_labels("anna", "1", 3, names)
    client.reads.clear()
    page = blobs.find_labels_by_count("anna", "", first=30)
    assert (len(page.items), page.has_next, client.reads) == (30, True, ["query"])
