"""What a deletion leaves on the stack, whatever happens meanwhile."""

from __future__ import annotations

import json

import pytest

from core.domain.blob import Blob
from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.table import Table
from core.storage.s3 import S3Storage
from tests.support.aws.calls import (
    calling_as,
)
from tests.support.aws.cloud import Cloud, Rekognition, made_key
from tests.support.aws.stack_operations import (
    CAT,
    LISTS,
    blob_now,
    delete,
    delete_later,
    deletion_is_due,
    half_an_hour_passes,
    restore,
)
from tests.support.webhooks.receiver import Received, Receiver


def left_of(cloud: Cloud, blob_id: str) -> list[str]:
    """What lies in table and bucket that has to do with a blob: keys, without its deletion."""
    items = cloud.dynamodb.scan(TableName=cloud.ids["Table"])["Items"]
    keys = [(item["pk"]["S"], item["sk"]["S"]) for item in items]
    found = [f"{pk} {sk}" for pk, sk in keys if blob_id in pk + sk and sk != "deleted"]
    listed = cloud.s3.list_objects_v2(Bucket=cloud.ids["Bucket"]).get("Contents", [])
    return found + [each["Key"] for each in listed if blob_id in each["Key"]]


def test_a_deleted_blob_leaves_nothing(
    cloud: Cloud, key: str, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Record, labels, counts, webhook, bytes; again it is harmless, and to others absent."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    kept, kept_target = cloud.create_upload(key)
    for each in (target, kept_target):
        cloud.put(each, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    other = made_key(cloud, capsys, "boris")
    assert delete(cloud, other, blob_id) == "BlobNotFound"
    assert len(left_of(cloud, blob_id)) > 4
    for _ in range(2):
        assert delete(cloud, key, blob_id) == "DeletedBlob"
        assert delete(cloud, other, blob_id) == "BlobNotFound"
    assert blob_now(cloud, key, blob_id) is None
    assert cloud.notify() == 0
    assert left_of(cloud, blob_id) == []
    lists = cloud.graphql(key, LISTS, ids=[blob_id])
    assert lists["nodes"] == [None]
    assert lists["blobs"]["nodes"] == lists["labelled"]["nodes"] == [{"id": kept}]
    assert {label["blobCount"] for label in lists["labels"]["nodes"]} == {1}
    assert delete(cloud, key, kept) == "DeletedBlob"
    cloud.notify()
    assert cloud.graphql(key, LISTS, ids=[])["labels"]["nodes"] == []


def test_a_blob_waits_hidden_until_it_is_restored_or_deleted(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    """By the schedule of the api, which deletes once what is due and nothing that was restored."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    kept, kept_target = cloud.create_upload(key)
    for each in (target, kept_target):
        cloud.put(each, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    complete = cloud.graphql(key, LISTS, ids=[blob_id])
    assert delete_later(cloud, key, blob_id, kept) == ["DeletedBlob"] * 2
    cloud.notify()
    hidden = cloud.graphql(key, LISTS, ids=[blob_id])
    assert hidden["nodes"] == [{"id": blob_id}]
    assert hidden["blobs"]["nodes"] == hidden["labelled"]["nodes"] == []
    assert hidden["labels"]["nodes"] == []
    assert restore(cloud, key, blob_id, kept) == ["RestoredBlob"] * 2
    cloud.notify()
    assert cloud.graphql(key, LISTS, ids=[blob_id]) == complete
    delete_later(cloud, key, blob_id, kept)
    deletion_is_due(cloud, blob_id)
    for _ in range(2):
        cloud.schedule("api")
        cloud.notify()
        assert left_of(cloud, blob_id) == []
    assert restore(cloud, key, blob_id, kept) == ["BlobNotFound", "RestoredBlob"]
    cloud.schedule("api")
    cloud.notify()
    lists = cloud.graphql(key, LISTS, ids=[])
    assert lists["blobs"]["nodes"] == lists["labelled"]["nodes"] == [{"id": kept}]
    assert {label["blobCount"] for label in lists["labels"]["nodes"]} == {1}
    assert len(receiver.received) == 1, "no webhook but that of the labels"


def test_an_upload_that_comes_after_its_blob_was_deleted_does_not_stay(
    cloud: Cloud, key: str
) -> None:
    """By a URL that is still good: with its event it goes at once, without it before long."""
    told, told_target = cloud.create_upload(key)
    untold, untold_target = cloud.create_upload(key)
    before, before_target = cloud.create_upload(key)
    assert cloud.put(before_target, CAT) == 200
    for each in (told, untold, before):
        assert delete(cloud, key, each) == "DeletedBlob"
    assert left_of(cloud, before) == []
    assert cloud.put(untold_target, CAT) == 200
    cloud.drain("Uploads")
    assert cloud.put(told_target, CAT) == 200
    assert cloud.carry("Uploads", "labeller") == 1
    assert left_of(cloud, told) == []
    cloud.schedule("labeller")
    assert left_of(cloud, untold) == [f"originals/anna/{untold}"], "its upload may be under way"
    half_an_hour_passes(cloud, untold)
    cloud.schedule("labeller")
    assert left_of(cloud, untold) == []
    assert cloud.graphql(key, LISTS, ids=[])["blobs"]["nodes"] == []


def test_a_blob_deleted_while_it_is_labelled_does_not_come_back(
    cloud: Cloud, key: str, receiver: Receiver, rekognition: Rekognition
) -> None:
    """Nor does its webhook go; bytes that came meanwhile are cleared away."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    (upload,) = cloud.drain("Uploads")

    def meanwhile() -> None:
        with calling_as(None):
            DynamoBlobRepository(Table(cloud.dynamodb, cloud.ids["Table"])).delete(
                found_blob(cloud, blob_id), utc_now()
            )

    rekognition.meanwhile = meanwhile
    assert cloud.invoke("labeller", {"Records": [upload]}) == {"batchItemFailures": []}
    assert cloud.notify() == 0
    assert left_of(cloud, blob_id) == []
    assert receiver.received == []


def found_blob(cloud: Cloud, blob_id: str) -> Blob:
    blob = DynamoBlobRepository(Table(cloud.dynamodb, cloud.ids["Table"])).get(blob_id)
    assert blob is not None
    return blob


def test_no_webhook_goes_after_its_blob_was_deleted(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    """Neither a retry that waits, nor one whose change arrives only then, nor a job."""
    receiver.answer = lambda _: 500
    retrying, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    retry = cloud.drain("Hints")
    enqueued, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.invoke("notifier", {"Records": cloud.changes()})
    delivery_queue = cloud.drain("Hints")
    untold, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    late = cloud.changes()
    blob_ids = [retrying, enqueued, untold]
    for each in blob_ids:
        assert delete(cloud, key, each) == "DeletedBlob"
    cloud.invoke("notifier", {"Records": late})
    for hint in [*retry, *delivery_queue]:
        cloud.invoke("notifier", {"Records": [hint]})
    cloud.notify()
    cloud.schedule("notifier")
    cloud.carry("Hints", "notifier")
    assert [json.loads(each.body)["data"]["blob"]["id"] for each in receiver.received] == [retrying]
    assert [left_of(cloud, each) for each in blob_ids] == [[], [], []]
    assert cloud.graphql(key, LISTS, ids=[])["labels"]["nodes"] == []


def test_a_webhook_under_way_when_its_blob_is_deleted_is_the_last(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    """It arrives; whatever it is answered, it is not sent again."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.invoke("notifier", {"Records": cloud.changes()})
    (hint,) = cloud.drain("Hints")

    def deleted_meanwhile(_: Received) -> int:
        table = Table(cloud.dynamodb, cloud.ids["Table"])
        DynamoBlobRepository(table).delete(found_blob(cloud, blob_id), utc_now())
        DynamoDeliveryRepository(table).remove(blob_id, utc_now())
        return 500

    receiver.answer = deleted_meanwhile
    assert cloud.invoke("notifier", {"Records": [hint]}) == {"batchItemFailures": []}
    assert cloud.drain("Hints") == []
    cloud.schedule("notifier")
    assert cloud.drain("Hints") == []
    assert len(receiver.received) == 1
    assert delete(cloud, key, blob_id) == "DeletedBlob"
    assert cloud.notify() == 0
    assert left_of(cloud, blob_id) == []


def test_deletion_that_fails_is_an_error_of_the_function(
    cloud: Cloud, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or no alarm would report a bucket that refuses every deletion. The next runs go on."""
    blob_id, target = cloud.create_upload(key)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    assert delete_later(cloud, key, blob_id) == ["DeletedBlob"]
    deletion_is_due(cloud, blob_id)

    def refuse(*_: object) -> None:
        raise Unavailable("S3 can't answer: AccessDenied")

    with monkeypatch.context() as patch:
        patch.setattr(S3Storage, "delete", refuse)
        with pytest.raises(Unavailable, match=r"^Failed deletions: 1\."):
            cloud.schedule("api")
        half_an_hour_passes(cloud, blob_id)
        with pytest.raises(Unavailable, match=r"^Deleted blobs whose bytes remain: 1\."):
            cloud.schedule("labeller")
    assert len(left_of(cloud, blob_id)) == 1
    cloud.schedule("labeller")
    assert left_of(cloud, blob_id) == []
