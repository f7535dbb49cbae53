"""What the contract tests cannot see of the DynamoDB adapters: calls, limits and errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from operator import attrgetter
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from api.services.labels import LabelOrder, find_by_label
from core.domain.blob import Blob, BlobStatus
from core.domain.blob_list import BlobFilter
from core.domain.delivery import Delivery, DeliveryState, Verdict, delivery_id, parse_delivery_id
from core.domain.errors import InvalidValue, QuotaExceeded, Unavailable, VersionConflict
from core.domain.label import Label
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.expressions import escape_key
from core.repositories.dynamodb.table import Table
from core.repositories.dynamodb.uploads import DynamoUploadRepository
from core.repositories.ports.uploads import IdempotencyKey, UploadLimits
from core.repositories.serialization import SHARDS, blob_to_item
from tests.support.aws.dynamodb import dynamodb_client, table_definition
from tests.support.aws.moto import moto_aws
from tests.support.blobs import NOON, a_blob, again, failed, labelled, moments, uploaded
from tests.support.lists import a_page

pytestmark = pytest.mark.slow

CAP = 2


class Scripted:
    """A client that records its calls; it can limit every Query, or fail."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[str] = []
        self.cap: int | None = None
        self.failures: list[Exception] = []

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append(name)
            if self.failures:
                raise self.failures.pop(0)
            if name == "query" and self.cap:
                arguments["Limit"] = min(arguments.get("Limit", self.cap), self.cap)
            return getattr(self._client, name)(**arguments)

        return call


@pytest.fixture
def client() -> Iterator[Scripted]:
    with moto_aws():
        real = dynamodb_client()
        real.create_table(TableName="records", **table_definition())
        yield Scripted(real)


@pytest.fixture
def pauses() -> list[float]:
    """Collect the pauses before retries."""
    return []


@pytest.fixture
def table(client: Scripted, pauses: list[float]) -> Table:
    return Table(client, "records", pause=pauses.append)


@pytest.fixture
def blobs(table: Table) -> DynamoBlobRepository:
    return DynamoBlobRepository(table)


def keep(blobs: DynamoBlobRepository, blob: Blob, *steps: Callable[[Blob], Blob]) -> Blob:
    blobs.create(blob)
    for step in steps:
        before, blob = blob, step(blob)
        blobs.save(blob, before)
    return blob


def cat(confidence: float) -> Callable[[Blob], Blob]:
    return lambda blob: labelled(blob, ("Cat", confidence), ("Animal", 99.0))


def refusal(code: str, **more: Any) -> ClientError:
    """Return an error of DynamoDB."""
    return ClientError({"Error": {"Code": code, "Message": "no"}, **more}, "AnyCall")


@pytest.mark.parametrize("first", [1, 4, 20])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    "wanted",
    [
        BlobFilter(),
        BlobFilter((BlobStatus.LABELLED,)),
        BlobFilter(tuple(BlobStatus)),
        BlobFilter((), NOON, NOON + timedelta(seconds=9)),
        BlobFilter((BlobStatus.LABELLED,), NOON),
    ],
)
def test_page_of_blobs_is_one_query(
    blobs: DynamoBlobRepository, client: Scripted, wanted: BlobFilter, first: int, *, after: bool
) -> None:
    """With any filter."""
    made = [keep(blobs, a_blob(at), cat(90)) for at, _ in zip(moments(), range(6), strict=False)]
    client.calls.clear()
    page = a_page(blobs, "anna", wanted, first=first, after=made[-1].id if after else None)
    assert len(page.items) == min(first, 5 if after else 6)
    assert client.calls == ["query"]


def test_page_of_several_statuses_is_one_query_for_each(
    blobs: DynamoBlobRepository, client: Scripted
) -> None:
    keep(blobs, a_blob())
    client.calls.clear()
    a_page(blobs, "anna", BlobFilter((BlobStatus.LABELLED, BlobStatus.FAILED)), first=5)
    assert client.calls == ["query"] * 2


@pytest.mark.parametrize("first", [1, 4, 20])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("least", [0.0, 80.0])
@pytest.mark.parametrize("order", list(LabelOrder))
def test_page_of_a_label_is_one_query_and_one_read_of_its_blobs(
    blobs: DynamoBlobRepository,
    client: Scripted,
    order: LabelOrder,
    least: float,
    first: int,
    *,
    after: bool,
) -> None:
    """With complete blobs, in either order."""
    made = [
        keep(blobs, a_blob(at), cat(70 + n)) for n, at in zip(range(20), moments(), strict=False)
    ]
    client.calls.clear()
    position = (89.0, made[-1].id) if after else None
    page = find_by_label(
        blobs, "anna", "cat", min_confidence=least, order=order, first=first, after=position
    )
    wanted = [blob for n, blob in enumerate(made) if 70 + n >= least][::-1][after : first + after]
    assert [found.blob for found in page.items] == wanted
    assert client.calls == ["query", "batch_get_item"]


def test_upload_is_one_write_and_labelling_one_more_for_its_entries(
    blobs: DynamoBlobRepository, client: Scripted
) -> None:
    """A failure is a plain write."""
    blob = a_blob()
    blobs.create(blob)
    assert client.calls == ["put_item"]
    read = blobs.get(blob.id)
    assert read is not None
    blobs.save(cat(90)(read), read)
    assert client.calls == ["put_item", "get_item", "batch_write_item", "put_item"]
    other = a_blob()
    blobs.create(other)
    blobs.save(failed(other), other)
    assert client.calls[4:] == ["put_item", "put_item"]


def test_forty_labels_replace_forty(blobs: DynamoBlobRepository, client: Scripted) -> None:
    """DynamoDB writes 25 items in a call; entries written by earlier versions are deleted too."""
    old, new = (tuple(Label(f"{kind} {n}", 90.0, ("Parent",)) for n in range(40)) for kind in "ab")
    blob = keep(blobs, a_blob(), uploaded, lambda b: labelled(b, *((x.name, 90.0) for x in old)))
    client.calls.clear()
    blob = keep_version(blobs, blob, again)
    assert client.calls == ["put_item"]
    blob = keep_version(blobs, blob, lambda b: labelled(b, *((x.name, 90.0) for x in new)))
    writes = ["batch_write_item"]
    assert client.calls == ["put_item", *writes * 2, "put_item", *writes * 4]
    for label, count in (("a 7", 0), ("b 7", 1)):
        page = find_by_label(
            blobs, "anna", label, min_confidence=0, order=LabelOrder.NEWEST, first=5
        )
        assert len(page.items) == count


def keep_version(blobs: DynamoBlobRepository, blob: Blob, step: Callable[[Blob], Blob]) -> Blob:
    changed = step(blob)
    blobs.save(changed, blob)
    return changed


def test_attempt_takes_six_writes(table: Table, client: Scripted) -> None:
    """Three to claim it and three to finish it: the delivery, its endpoint and its owner."""
    deliveries = DynamoDeliveryRepository(table)
    delivery = a_delivery("1")
    deliveries.add(delivery)
    claim = deliveries.claim(delivery.id, NOON, timedelta(seconds=30))
    assert claim is not None
    deliveries.finish(claim, claim.delivery.attempts[0], Verdict(DeliveryState.DELIVERED))
    added = ["get_item", "get_item", "put_item", "get_item"]  # limits, delivery, deletion
    claimed = [*["get_item"] * 2, "update_item", "get_item", *["update_item"] * 2]
    assert client.calls == [*added, *claimed, *["update_item"] * 3]


def test_reservation_is_one_write_and_one_for_each_limit(table: Table, client: Scripted) -> None:
    """A key adds a read; open uploads are counted only when no room is left."""
    DynamoUploadRepository(table, UploadLimits()).reserve(a_blob())
    assert client.calls == ["put_item"]
    bounded = DynamoUploadRepository(table, UploadLimits(per_minute=100, open=10))
    bounded.reserve(a_blob())
    client.calls.clear()
    bounded.reserve(a_blob())
    assert client.calls == ["update_item", "update_item", "put_item"]
    client.calls.clear()
    key = IdempotencyKey("a" * 64, "d")
    blob = bounded.reserve(a_blob(), key)
    assert client.calls == ["get_item", "update_item", "update_item", "transact_write_items"]
    client.calls.clear()
    assert bounded.reserve(a_blob(), key) == blob
    assert client.calls == ["get_item", "get_item"]


def test_open_uploads_are_counted_rarely(
    blobs: DynamoBlobRepository, table: Table, client: Scripted
) -> None:
    """The number of counted uploads decides when the next count may be."""
    made = [keep(blobs, a_blob(at)) for at, _ in zip(moments(), range(30), strict=False)]
    bounded = DynamoUploadRepository(table, UploadLimits(open=30))
    client.cap = CAP
    for ms in range(30):
        with pytest.raises(QuotaExceeded):
            bounded.reserve(a_blob(NOON + timedelta(milliseconds=ms)))
    assert client.calls.count("query") == 30 // CAP
    blobs.delete(made[0], NOON)
    bounded.reserve(a_blob(NOON + timedelta(milliseconds=30)))


def test_upload_reserved_while_the_limit_is_raised_counts(
    blobs: DynamoBlobRepository, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that still has the old limit reserves between another's count and its write."""
    old = DynamoUploadRepository(table, UploadLimits(open=3))
    new = DynamoUploadRepository(table, UploadLimits(open=4))
    old.reserve(a_blob())
    put = table.put

    def put_later(*args: Any, **values: Any) -> None:
        monkeypatch.undo()
        old.reserve(a_blob())
        put(*args, **values)

    monkeypatch.setattr(table, "put", put_later)
    for _ in range(2):
        new.reserve(a_blob())
    with pytest.raises(QuotaExceeded):
        new.reserve(a_blob())


def test_temporary_items_have_a_time_to_live(table: Table, client: Scripted) -> None:
    """In seconds, and never before their time."""
    bounded = DynamoUploadRepository(table, UploadLimits(per_minute=1, open=1))
    blob = bounded.reserve(a_blob(), IdempotencyKey("a" * 64, "d"))
    DynamoBlobRepository(table).delete(blob, NOON)
    items = {
        f"{item['pk']['S'].partition('#')[0]} {item['sk']['S']}": int(item["expires_at"]["N"])
        for item in client.scan(TableName="records")["Items"]
    }
    now = NOON.timestamp()
    assert items["upload-key key"] == int(now) + 24 * 3600 + 1
    assert now + 60 < items["uploads count"] < now + 2 * 3600
    assert items["uploads room"] > now + 3600
    assert items["blob deleted"] >= int(now) + 35 * 24 * 3600


def test_reservation_waits_for_the_blob_of_its_key(
    blobs: DynamoBlobRepository, table: Table, client: Scripted, pauses: list[float]
) -> None:
    """The items of a transaction may become visible one after the other."""
    bounded = DynamoUploadRepository(table, UploadLimits())
    key = IdempotencyKey("a" * 64, "d")
    blob = bounded.reserve(a_blob(), key)
    item = blob_to_item(blob)
    client.delete_item(TableName="records", Key={"pk": item["pk"], "sk": item["sk"]})
    with pytest.raises(Unavailable, match="Too many processes use"):
        bounded.reserve(a_blob(), key)
    assert len(pauses) == 7
    pauses.clear()
    pauses_ = pauses.append

    def seen(seconds: float) -> None:
        pauses_(seconds)
        if len(pauses) == 2:
            blobs.create(blob)

    table._pause = seen
    assert bounded.reserve(a_blob(), key) == blob
    assert len(pauses) == 2


def test_deleting_forty_labels_leaves_their_entries_to_the_notifier(
    blobs: DynamoBlobRepository, client: Scripted
) -> None:
    """A transaction contains the blob and the record of its deletion."""
    names = [f"Label {n}" for n in range(40)]
    blob = keep(blobs, a_blob(), lambda b: labelled(b, *((name, 90.0) for name in names)))
    blobs.count_labels("anna", blob.id, blob.version, names)
    client.calls.clear()
    blobs.delete(blob, NOON)
    assert client.calls == ["transact_write_items"]
    blobs.uncount_labels("anna", blob.id)
    left = [item["sk"]["S"] for item in client.scan(TableName="records")["Items"]]
    assert left == ["deleted"]


def a_delivery(blob_id: str, **values: Any) -> Delivery:
    url = "https://example.test/"
    return Delivery(delivery_id(blob_id, 3), blob_id, "anna", url, b"{}", NOON, NOON, **values)


def test_webhook_body_is_stored_compressed(table: Table, client: Scripted) -> None:
    """Earlier items contain it as it is sent, and are sent too."""
    deliveries = DynamoDeliveryRepository(table)
    body = json.dumps({"labels": [{"name": f"Label {n}"} for n in range(100)]}).encode()
    delivery = replace(a_delivery("1"), body=body)
    deliveries.add(delivery)
    (item,) = client.scan(TableName="records")["Items"]
    assert len(item["body_zlib"]["B"]) < len(body) / 4
    early = {name: value for name, value in item.items() if name != "body_zlib"}
    for stored in (item, {**early, "body": {"B": body}}):
        client.put_item(TableName="records", Item=stored)
        assert deliveries.get(delivery.id) == delivery
    claim = deliveries.claim(delivery.id, NOON, timedelta(seconds=30))
    assert claim is not None
    assert claim.delivery.body == body


# A Query reads at most 1 MB and may end anywhere


@pytest.mark.parametrize("first", [1, 3, 20])
@pytest.mark.parametrize(
    "statuses", [(), (BlobStatus.LABELLED,), (BlobStatus.LABELLED, BlobStatus.AWAITING_UPLOAD)]
)
def test_limited_queries_lose_no_blob(
    blobs: DynamoBlobRepository, client: Scripted, statuses: tuple[BlobStatus, ...], first: int
) -> None:
    """Pages may be short, but continue in order."""
    made = [
        keep(blobs, a_blob(at), *([cat(90)] if n % 4 else []))
        for n, at in zip(range(13), moments(), strict=False)
    ]
    client.cap = CAP
    shown: list[Blob] = []
    after = None
    while True:
        page = a_page(blobs, "anna", BlobFilter(statuses), first=first, after=after)
        shown += page.items
        if not page.has_next:
            break
        after = page.items[-1].id
    assert shown == [blob for blob in made[::-1] if not statuses or blob.status in statuses]


@pytest.mark.parametrize("first", [1, 3, 20])
@pytest.mark.parametrize("least", [0.0, 75.0, 99.0])
@pytest.mark.parametrize("order", list(LabelOrder))
def test_limited_queries_lose_no_labelled_blob(
    blobs: DynamoBlobRepository, client: Scripted, order: LabelOrder, least: float, first: int
) -> None:
    """Even if a whole Query is below the minimum confidence."""
    confidences = [99.5, *[70.0] * 6, 80.0, *[60.0] * 6, 99.0]
    for at, confidence in zip(moments(), confidences, strict=False):
        keep(blobs, a_blob(at), cat(confidence))
    client.cap = CAP
    shown: list[Any] = []
    after = None
    while True:
        page = find_by_label(
            blobs, "anna", "cat", min_confidence=least, order=order, first=first, after=after
        )
        shown += page.items
        if not page.has_next:
            break
        after = (page.items[-1].confidence, page.items[-1].blob.id)
    assert len(shown) == len({found.blob.id for found in shown})
    wanted = [confidence for confidence in confidences if confidence >= least]
    found = [each.confidence for each in shown]
    assert found == (wanted[::-1] if order is LabelOrder.NEWEST else sorted(wanted, reverse=True))


def test_limited_queries_give_complete_internal_lists(
    blobs: DynamoBlobRepository, table: Table, client: Scripted
) -> None:
    """Labels in use, abandoned uploads, due deliveries, and keys."""
    deliveries = DynamoDeliveryRepository(table)
    made = [a_blob(at) for at, _ in zip(moments(), range(30), strict=False)]
    for blob in made:
        blobs.create(blob)
        deliveries.add(a_delivery(blob.id))
    leased = deliveries.claim(delivery_id(made[0].id, 3), NOON, timedelta(hours=1))
    blobs.count_labels("anna", "1", 3, [f"Label {n:02}" for n in range(9)])
    blobs.count_labels("anna", "1", 4, [f"Label {n:02}" for n in range(0, 9, 2)])
    client.cap = CAP
    labels = blobs.find_labels("anna", "label", first=20)
    assert [each.name for each in labels.items] == [f"Label {n:02}" for n in range(0, 9, 2)]
    later = NOON + timedelta(minutes=1)
    assert list(blobs.find_abandoned(later, 100)) == sorted(made, key=attrgetter("id"))
    due = deliveries.find_due(later, 100)
    assert leased is not None
    assert sorted(due) == sorted(delivery_id(blob.id, 3) for blob in made[1:])


# Keys


def test_similar_owner_names_are_separate(blobs: DynamoBlobRepository) -> None:
    """A separator within a name is escaped."""
    for owner, label in (("a#b", "c"), ("a", "b#c"), ("a%23b", "c"), ("a", "LABELLED#c")):
        blob = a_blob(owner=owner)
        keep(blobs, blob, lambda b, label=label: labelled(b, (label, 90.0)))
        blobs.count_labels(owner, blob.id, 2, [label])
    for owner, labels in (("a#b", ["c"]), ("a", ["b#c", "labelled#c"]), ("a%23b", ["c"])):
        assert len(a_page(blobs, owner, BlobFilter(), first=9).items) == len(labels)
        summaries = blobs.find_labels(owner, "", first=9).items
        assert [each.name.casefold() for each in summaries] == labels
        for label in labels:
            page = find_by_label(
                blobs, owner, label, min_confidence=0, order=LabelOrder.NEWEST, first=9
            )
            assert [found.blob.owner for found in page.items] == [owner]
    assert escape_key("a#b%") == "a%23b%25"


@pytest.mark.parametrize("text", ["", "x" * 5000, "☃" * 1000])
def test_texts_that_are_invalid_as_keys_find_nothing(
    blobs: DynamoBlobRepository, text: str
) -> None:
    """DynamoDB would refuse the request."""
    blobs.count_labels("anna", "1", 3, ["Cat"])
    blob = keep(blobs, a_blob(), cat(90))
    assert blobs.get(text) is None
    assert blobs.find("anna", [text, blob.id]) == {blob.id: blob}
    for order in LabelOrder:
        page = find_by_label(blobs, "anna", text, min_confidence=0, order=order, first=3)
        assert page.items == ()
    assert bool(blobs.find_labels("anna", text, first=3).items) is (text == "")
    if text:
        page_ = a_page(blobs, "anna", BlobFilter(), first=3, after=text)
        assert page_.items in ((), (blob,))


@pytest.mark.parametrize("least", [0.0, 1e-140, 5e-324, 100.0])
def test_any_minimum_confidence_is_valid(blobs: DynamoBlobRepository, least: float) -> None:
    """The range of DynamoDB's numbers is smaller."""
    keep(blobs, a_blob(), cat(90))
    for order in LabelOrder:
        page = find_by_label(blobs, "anna", "cat", min_confidence=least, order=order, first=3)
        assert bool(page.items) is (least < 1)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("msg_01ARYZ_3", ("01ARYZ", 3)),
        ("msg_a_b_12", ("a_b", 12)),
        ("msg_01ARYZ", None),
        ("msg__3", None),
        ("01ARYZ_3", None),
        ("msg_a_x", None),
        ("msg_a_²", None),
        ("", None),
    ],
)
def test_delivery_id_is_parsed(text: str, parts: tuple[str, int] | None) -> None:
    """Other texts are not ids."""
    assert parse_delivery_id(text) == parts


def test_delivery_with_an_invalid_id_is_refused(table: Table) -> None:
    """It could not be found again."""
    delivery = Delivery("other", "1", "anna", "https://example.test/", b"", NOON, NOON)
    with pytest.raises(InvalidValue, match="delivery_id"):
        DynamoDeliveryRepository(table).add(delivery)


def test_uploads_and_deliveries_are_spread_over_shards() -> None:
    """A partition accepts 1000 writes a second."""
    lists = {
        blob_to_item(a_blob(at))["list"]["S"] for at, _ in zip(moments(), range(200), strict=False)
    }
    assert lists == {f"uploads#{n}" for n in range(SHARDS)}


# Errors


@pytest.mark.parametrize(
    "failure",
    [
        refusal("ProvisionedThroughputExceededException"),
        refusal("ThrottlingException"),
        refusal("InternalServerError"),
        refusal("ResourceNotFoundException"),
        refusal("AccessDeniedException"),
        EndpointConnectionError(endpoint_url="https://dynamodb.test"),
    ],
)
def test_error_of_dynamodb_is_unavailable(
    blobs: DynamoBlobRepository, table: Table, client: Scripted, failure: Exception
) -> None:
    """In every call."""
    deliveries = DynamoDeliveryRepository(table)
    kept = keep(blobs, a_blob(), cat(90))
    calls: list[Callable[[], Any]] = [
        lambda: blobs.create(a_blob()),
        lambda: blobs.get(kept.id),
        lambda: blobs.find("anna", [kept.id, "other"]),
        lambda: a_page(blobs, "anna", BlobFilter(), first=1),
        lambda: blobs.save(again(kept), kept),
        lambda: blobs.save(cat(80)(again(kept)), kept),
        lambda: blobs.delete(kept, NOON),
        lambda: deliveries.claim(delivery_id("1", 3), NOON, timedelta(1)),
        lambda: blobs.count_labels("anna", "1", 3, ["Cat"]),
        lambda: blobs.find_abandoned(NOON, 5),
    ]
    for call in calls:
        client.failures = [failure]
        with pytest.raises(Unavailable, match="DynamoDB") as caught:
            call()
        assert caught.value.__cause__ is failure


def conflict(code: str = "TransactionConflict") -> ClientError:
    reasons = [{"Code": "None"}, {"Code": code, "Message": "busy"}]
    return refusal("TransactionCanceledException", CancellationReasons=reasons)


def test_conflicting_transaction_is_retried(
    blobs: DynamoBlobRepository, client: Scripted, pauses: list[float]
) -> None:
    """After longer and longer random pauses."""
    blob = keep(blobs, a_blob())
    client.failures = [
        conflict(),
        conflict("ThrottlingError"),
        conflict("ProvisionedThroughputExceeded"),
    ]
    blobs.delete(blob, NOON)
    assert len(pauses) == 3
    assert all(0 <= pause <= 0.02 * 2**n for n, pause in enumerate(pauses, start=1))


def test_write_that_conflicts_with_a_transaction_is_retried(
    blobs: DynamoBlobRepository, client: Scripted, pauses: list[float]
) -> None:
    """As when an owner edits the facts of a picture while it is labelled."""
    blob = keep(blobs, a_blob())
    client.failures = [refusal("TransactionConflictException") for _ in range(3)]
    blobs.save(uploaded(blob, NOON), blob)
    assert len(pauses) == 3
    client.failures = [refusal("TransactionConflictException") for _ in range(20)]
    with pytest.raises(Unavailable, match="too many writes"):
        blobs.create(a_blob())


def test_transaction_retries_are_limited(
    blobs: DynamoBlobRepository, client: Scripted, pauses: list[float]
) -> None:
    blob = keep(blobs, a_blob())
    client.failures = [conflict() for _ in range(20)]
    with pytest.raises(Unavailable, match="too many writes"):
        blobs.delete(blob, NOON)
    assert sum(pauses) < 10


def test_failed_condition_of_a_transaction_is_a_version_conflict(
    blobs: DynamoBlobRepository, client: Scripted
) -> None:
    """Even if another transaction conflicts too."""
    blob = keep(blobs, a_blob())
    reasons = [{"Code": "ConditionalCheckFailed"}, {"Code": "TransactionConflict"}]
    client.failures = [refusal("TransactionCanceledException", CancellationReasons=reasons)]
    with pytest.raises(VersionConflict):
        blobs.delete(blob, NOON)


def test_unprocessed_items_are_requested_again(
    blobs: DynamoBlobRepository,
    client: Scripted,
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """BatchGetItem may return a part: a stub, because moto never does."""
    made = [keep(blobs, a_blob(at)) for at, _ in zip(moments(), range(5), strict=False)]
    real = client._client.batch_get_item

    def one_of_them(RequestItems: Any) -> Any:  # noqa: N803
        ((name, request),) = RequestItems.items()
        keys = request["Keys"]
        answer = real(RequestItems={name: {**request, "Keys": keys[:1]}})
        answer["UnprocessedKeys"] = {name: {**request, "Keys": keys[1:]}} if keys[1:] else {}
        return answer

    monkeypatch.setattr(client._client, "batch_get_item", one_of_them)
    assert blobs.find("anna", [blob.id for blob in made]) == {blob.id: blob for blob in made}
    assert len(pauses) == 4


def test_batches_that_are_read_in_part_are_read_to_the_end(
    blobs: DynamoBlobRepository,
    client: Scripted,
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each answer has at most 16 MB. Only answers without any item count as failures."""
    made = [keep(blobs, a_blob(at)) for at, _ in zip(moments(), range(12), strict=False)]
    real = client._client.batch_get_item
    empty = iter([True, True] + [False] * 99)

    def one_of_them(RequestItems: Any) -> Any:  # noqa: N803
        ((name, request),) = RequestItems.items()
        keys = request["Keys"]
        done = 0 if next(empty) else 1
        answer = real(RequestItems={name: {**request, "Keys": keys[:1]}})
        answer["Responses"][name] = answer["Responses"][name][:done]
        answer["UnprocessedKeys"] = {name: {**request, "Keys": keys[done:]}} if keys[done:] else {}
        return answer

    monkeypatch.setattr(client._client, "batch_get_item", one_of_them)
    assert blobs.find("anna", [blob.id for blob in made]) == {blob.id: blob for blob in made}
    assert len(pauses) == 13


def test_concurrent_label_counts_succeed(blobs: DynamoBlobRepository, client: Scripted) -> None:
    """A count that lost a race is repeated with the new state."""
    blobs.count_labels("anna", "1", 3, ["Cat"])
    failed_condition = [{"Code": "ConditionalCheckFailed"}]
    overtaken = refusal("TransactionCanceledException", CancellationReasons=failed_condition)
    real = client._client.batch_get_item

    def failing_once(**arguments: Any) -> Any:
        answer = real(**arguments)
        client.failures = [overtaken]
        client._client.batch_get_item = real
        return answer

    client._client.batch_get_item = failing_once
    blobs.count_labels("anna", "1", 5, ["Dog"])
    assert [each.name for each in blobs.find_labels("anna", "", first=9).items] == ["Dog"]
