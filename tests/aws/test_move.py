"""`labelling move`: a data folder becomes a stack, and its clients notice nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from standardwebhooks import Webhook

from core.backends.encryption import SecretKeys
from core.domain.api_key import hash_key, new_key
from core.domain.blob import Blob, label_again
from core.domain.clock import utc_now
from core.domain.deletion import set_deletion
from core.domain.delivery import Attempt, Delivery, DeliveryState, Verdict, delivery_id
from core.domain.facts import Facts
from core.domain.label_policy import LabelPolicy
from core.domain.own_vocabulary import LabelDefinition, OwnVocabulary
from core.domain.scope import Scope
from core.repositories.dynamodb.table import Table
from core.repositories.ports.owners import ApiKey
from core.repositories.ports.policies import set_policy_of
from core.repositories.ports.vocabularies import set_vocabulary_of
from core.storage.files import path_of
from embedded.change_feed import FEED
from embedded.cli.main import main
from embedded.data.lock import hold
from embedded.data.originals import open_storage
from embedded.move.folder import Folder
from embedded.move.mover import Mover
from embedded.move.stack import Stack
from embedded.settings import Settings
from embedded.stores import Stores, open_stores
from tests.support.aws.cloud import Cloud
from tests.support.aws.dynamodb import table_definition
from tests.support.aws.emulators import REGION, ROOT, Emulator
from tests.support.aws.stack_operations import LISTS, deletion_is_due, restore
from tests.support.blobs import a_blob, labelled, uploaded
from tests.support.images.photos import photo
from tests.support.waiting import PATIENCE, wait_until
from tests.support.webhooks.receiver import Receiver

CAT = photo("chelsea.png")
IMAGES = 400
BLOB = """
query ($id: ID!) {
  blob(id: $id) {
    status downloadUrl labels { name confidence source }
    callback { status attempts { responseStatus } }
  }
}
"""
BY_EXTERNAL_ID = """
query ($ids: [String!]) { blobs(filter: {externalIds: $ids}) { nodes { id fileName } } }
"""
LABELS = "{ labels { nodes { name blobCount } } }"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def stores(data: Path) -> Iterator[Stores]:
    opened = open_stores(Settings(data=data))
    yield opened
    opened.database.close()


def settle(stores: Stores) -> None:
    """Have the notifier's place be behind the last change."""
    changes = stores.blobs.changes.read_after(0, 1_000_000)
    with stores.database.write():
        stores.blobs.changes.save_position(FEED, changes[-1].sequence if changes else 0)


def add(data: Path, stores: Stores, content: bytes = CAT, **values: Any) -> Blob:
    """Store a blob with its bytes that is being labelled."""
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    waiting = a_blob(utc_now(), **values)
    stores.blobs.create(waiting)
    blob = replace(uploaded(waiting, utc_now()), size=len(content), sha256=digest)
    stores.blobs.save(blob, waiting)
    path = path_of(data, blob.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return blob


def add_labelled(data: Path, stores: Stores, content: bytes = CAT, **values: Any) -> Blob:
    blob = add(data, stores, content, **values)
    done = labelled(blob, ("Cat", 90.0), ("Animal", 80.0))
    stores.blobs.save(done, blob)
    return done


def add_delivery(stores: Stores, blob: Blob, *, is_sent: bool) -> Delivery:
    """Store the webhook of a blob; one that is not sent has failed once."""
    now, name = utc_now(), delivery_id(blob.id, blob.version)
    url, body = blob.callback_url or "", json.dumps({"blob": blob.id}).encode()
    stores.deliveries.add(Delivery(name, blob.id, blob.owner, url, body, now, now))
    claim = stores.deliveries.claim(name, now, timedelta(seconds=30))
    assert claim is not None
    verdict = Verdict(DeliveryState.DELIVERED) if is_sent else Verdict(DeliveryState.PENDING, now)
    status, error = (200, None) if is_sent else (500, "status")
    stores.deliveries.finish(claim, Attempt(1, now, now, status, error), verdict)
    stored = stores.deliveries.get(name)
    assert stored is not None
    return stored


def add_key(stores: Stores, owner: str) -> str:
    key = new_key()
    stores.owners.add_key(ApiKey(hash_key(key), owner, "of a program", utc_now()))
    return key


def move(cloud: Cloud, data: Path) -> int:
    place = ["--to-table", cloud.ids["Table"], "--to-bucket", cloud.ids["Bucket"]]
    return main(["move", *place, "--data", str(data)])


def blob_on(cloud: Cloud, key: str, blob: Blob) -> Any:
    return cloud.graphql(key, BLOB, id=blob.id)["blob"]


def test_clients_find_everything_on_aws(
    cloud: Cloud, data: Path, stores: Stores, receiver: Receiver
) -> None:
    """Same keys, ids, labels, images and webhooks; none of these is sent again."""
    key, url = add_key(stores, "anna"), receiver.url
    secret = stores.owners.get_or_create("anna").webhook_secrets[0].value
    blob = add_labelled(data, stores, callback_url=url)
    add_delivery(stores, blob, is_sent=True)
    settle(stores)
    assert move(cloud, data) == 0
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    cloud.schedule("notifier")
    cloud.carry("Hints", "notifier")
    assert receiver.received == []

    found = blob_on(cloud, key, blob)
    assert found["status"] == "LABELLED"
    assert [each["name"] for each in found["labels"]] == ["Cat", "Animal"]
    assert found["callback"] == {"status": "DELIVERED", "attempts": [{"responseStatus": 200}]}
    assert cloud.get(found["downloadUrl"]) == CAT
    counted = cloud.graphql(key, LABELS)["labels"]["nodes"]
    assert counted == [{"name": "Animal", "blobCount": 1}, {"name": "Cat", "blobCount": 1}]

    cloud.own["notifier"]["LABELLING_PRIVATE_CALLBACKS"] = "yes"
    sent = cloud.create_upload(key, callbackUrl=url)
    assert cloud.put(sent[1], CAT) == 200
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    (received,) = receiver.received
    Webhook(secret).verify(received.body, received.headers)


def test_what_waits_goes_on_on_aws(
    cloud: Cloud, data: Path, stores: Stores, receiver: Receiver
) -> None:
    """An image to be labelled, one to be labelled again, and a webhook to be sent."""
    key, url = add_key(stores, "anna"), receiver.url
    waiting = add(data, stores, callback_url=url)
    again = add_labelled(data, stores)
    stores.blobs.save(label_again(again, utc_now()), again)
    unsent = add_labelled(data, stores, callback_url=url)
    delivery = add_delivery(stores, unsent, is_sent=False)
    settle(stores)
    assert move(cloud, data) == 0
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    cloud.schedule("notifier")
    cloud.carry("Hints", "notifier")
    assert blob_on(cloud, key, waiting)["status"] == "LABELLED"
    assert blob_on(cloud, key, again)["status"] == "LABELLED"
    ids = [each.headers["webhook-id"] for each in receiver.received]
    assert sorted(ids) == sorted([delivery.id, delivery_id(waiting.id, waiting.version + 1)])
    assert move(cloud, data) == 0  # the stack has gone on, as it should
    cloud.schedule("notifier")
    cloud.carry("Hints", "notifier")
    assert len(receiver.received) == 2
    callback = blob_on(cloud, key, unsent)["callback"]
    assert (callback["status"], len(callback["attempts"])) == ("DELIVERED", 2)


def test_blob_that_waits_to_be_deleted_waits_on_aws(
    cloud: Cloud, data: Path, stores: Stores
) -> None:
    """It is in no list, is restored there, or deleted when its time has come."""
    key = add_key(stores, "anna")
    blobs = [add_labelled(data, stores) for _ in range(2)]
    for blob in blobs:
        stores.blobs.save(set_deletion(blob, utc_now(), utc_now() + timedelta(hours=1)), blob)
    settle(stores)
    assert move(cloud, data) == 0
    cloud.notify()
    assert cloud.graphql(key, LISTS, ids=[])["blobs"]["nodes"] == []
    assert cloud.graphql(key, LABELS)["labels"]["nodes"] == []
    assert restore(cloud, key, blobs[0].id) == ["RestoredBlob"]
    deletion_is_due(cloud, blobs[1].id)
    cloud.schedule("api")
    assert cloud.graphql(key, LISTS, ids=[])["blobs"]["nodes"] == [{"id": blobs[0].id}]
    assert blob_on(cloud, key, blobs[1]) is None


def test_running_service_keeps_what_it_works_on(
    cloud: Cloud, data: Path, stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else both would label, send and delete it. What clients can do comes with the last run."""
    add_key(stores, "anna")
    done, waiting = add_labelled(data, stores), add(data, stores)
    restored = add_labelled(data, stores)
    to_delete = set_deletion(restored, utc_now(), utc_now() + timedelta(hours=1))
    stores.blobs.save(to_delete, restored)
    with_webhook = add_labelled(data, stores, callback_url="https://example.org/hook")
    delivery = add_delivery(stores, with_webhook, is_sent=False)
    settle(stores)
    target = target_of(cloud)
    Mover(folder_of(data, stores), target, everything=False).run()
    assert target.blobs.get(done.id) == done
    assert target.blobs.get(waiting.id) is None
    assert target.blobs.get(to_delete.id) is None
    assert target.deliveries.get(delivery.id) is None
    assert target.owners.list_keys() == []

    restored = set_deletion(to_delete, utc_now(), None)
    stores.blobs.save(restored, to_delete)
    settle(stores)
    assert move(cloud, data) == 0
    assert target.blobs.get(waiting.id) == waiting
    assert target.blobs.get(restored.id) == restored
    assert target.deliveries.get(delivery.id) == delivery
    assert "4 blobs" in capsys.readouterr().out


def folder_of(data: Path, stores: Stores) -> Folder:
    return Folder(stores, open_storage(data, stores.database))


def target_of(cloud: Cloud) -> Stack:
    return Stack(
        Table(cloud.dynamodb, cloud.ids["Table"]), cloud.s3, cloud.ids["Bucket"], SecretKeys()
    )


def test_changes_and_deletions_between_two_runs_are_followed(
    cloud: Cloud, data: Path, stores: Stores
) -> None:
    changed, deleted = add_labelled(data, stores), add_labelled(data, stores)
    settle(stores)
    target = target_of(cloud)
    Mover(folder_of(data, stores), target, everything=False).run()
    new = labelled(label_again(changed, utc_now()), ("Dog", 70.0))
    stores.blobs.save(label_again(changed, utc_now()), changed)
    stores.blobs.save(new, label_again(changed, utc_now()))
    stores.blobs.delete(deleted, utc_now())
    settle(stores)
    assert move(cloud, data) == 0
    assert target.blobs.get(changed.id) == new
    assert target.blobs.get(deleted.id) is None
    assert not target.has_original(deleted, deleted.sha256 or "")


def test_key_that_was_revoked_between_two_runs_is_reported(
    cloud: Cloud, data: Path, stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    key = add_key(stores, "anna")
    assert move(cloud, data) == 0
    stores.owners.remove_key(hash_key(key))
    assert move(cloud, data) == 1
    assert f"key {hash_key(key)[:8]} of anna: only the stack has it" in capsys.readouterr().err
    target_of(cloud).owners.remove_key(hash_key(key))
    assert move(cloud, data) == 0


def test_facts_move_and_are_found(cloud: Cloud, data: Path, stores: Stores) -> None:
    """Also an external id that another blob has now, in either order."""
    key = add_key(stores, "anna")
    old, new = Facts("a.png", "1", (("place", "Oslo"),)), Facts("b.png", "2")
    first = add_labelled(data, stores, facts=old)
    second = add_labelled(data, stores, facts=new)
    gone = add_labelled(data, stores, facts=Facts(external_id="3"))
    settle(stores)
    target = target_of(cloud)
    Mover(folder_of(data, stores), target, everything=False).run()
    stores.blobs.delete(gone, utc_now())
    # Ids go round: the first blob gets that of the second, which gets that of the deleted one.
    second_now = replace(second, facts=Facts("b.png", "3"), version=second.version + 1)
    stores.blobs.save(second_now, second)
    first_now = replace(first, facts=replace(old, external_id="2"), version=first.version + 1)
    stores.blobs.save(first_now, first)
    settle(stores)
    assert move(cloud, data) == 0
    for external_id, blob in (("2", first_now), ("3", second_now)):
        found = cloud.graphql(key, BY_EXTERNAL_ID, ids=[external_id])["blobs"]["nodes"]
        assert found == [{"id": blob.id, "fileName": blob.facts.file_name}]
    assert cloud.graphql(key, BY_EXTERNAL_ID, ids=["1"])["blobs"]["nodes"] == []


class Interrupted(Exception):
    """The process was ended."""


class Ending(Stack):
    """A stack whose mover is ended at one of its writes of images."""

    writes = 1

    def put_original(self, blob: Blob, stream: BinaryIO, sha256: str) -> None:
        if self.writes == 0:
            raise Interrupted
        self.writes -= 1
        super().put_original(blob, stream, sha256)


def test_interrupted_move_continues(cloud: Cloud, data: Path, stores: Stores) -> None:
    """Ended before each image, one after the other; what was copied is not copied again."""
    blobs = [add_labelled(data, stores, CAT + b"%d" % number) for number in range(4)]
    settle(stores)
    ending = Ending(
        Table(cloud.dynamodb, cloud.ids["Table"]), cloud.s3, cloud.ids["Bucket"], SecretKeys()
    )
    folder = folder_of(data, stores)
    for _ in range(len(blobs)):
        ending.writes = 1
        mover = Mover(folder, ending, everything=True, threads=1)
        try:
            mover.run()
        except Interrupted:
            continue
    assert move(cloud, data) == 0
    listed = cloud.s3.list_object_versions(Bucket=cloud.ids["Bucket"], Prefix="originals/")
    assert sorted(each["Key"] for each in listed["Versions"]) == sorted(each.key for each in blobs)


def test_what_differs_is_reported(
    cloud: Cloud, data: Path, stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, damaged = add_labelled(data, stores), add_labelled(data, stores)
    newer, stranger = add_labelled(data, stores), a_blob(owner="bert")
    settle(stores)
    path_of(data, lost.key).unlink()
    path_of(data, damaged.key).write_bytes(b"other")
    target = target_of(cloud)
    target.blobs.create(replace(newer, version=newer.version + 5))
    target.blobs.create(stranger)
    assert move(cloud, data) == 1
    told = capsys.readouterr()
    assert f"{lost.key}: its bytes are missing." in told.err
    assert f"blob {damaged.id}: " in told.err
    assert f"blob {newer.id}: the stack has version" in told.err
    assert f"blob {stranger.id}: only the stack has it" in told.err
    assert target.blobs.get(stranger.id) == stranger


def test_owners_policies_and_endpoints_move(cloud: Cloud, data: Path, stores: Stores) -> None:
    now = utc_now()
    owner = stores.owners.get_or_create("anna")
    set_policy_of(stores.blobs.policies, "anna", LabelPolicy(), now)
    defined = OwnVocabulary(labels=(LabelDefinition("Tom", ("Cat",)),))
    for version in (0, 1):
        set_vocabulary_of(stores.blobs.vocabularies, "anna", replace(defined, version=version), now)
    stores.deliveries.disable_endpoint("anna", "https://example.org/hook", now)
    key = ApiKey(hash_key("old"), "anna", "note", now, expires_at=now, last_used_at=now)
    stores.owners.add_key(key)
    # The operator's scope is of a service on one machine.
    operator = frozenset({Scope.OPERATOR})
    both = replace(key, hash=hash_key("both"), scopes=operator | {Scope.READ})
    stores.owners.add_key(both)
    stores.owners.add_key(replace(key, hash=hash_key("ops"), scopes=operator))
    assert move(cloud, data) == 0
    target = target_of(cloud)
    assert target.owners.find_owner("anna") == owner
    assert target.owners.find_key(key.hash) == key
    assert target.owners.find_key(both.hash) == replace(both, scopes=frozenset({Scope.READ}))
    assert target.owners.find_key(hash_key("ops")) is None
    assert target.blobs.policies.find("anna").policy == LabelPolicy(version=1)
    assert target.blobs.vocabularies.find("anna") == replace(defined, version=2)
    (disabled,) = target.deliveries.disabled_endpoints("anna")
    assert (disabled.endpoint, disabled.at) == ("https://example.org/hook", now)
    stores.deliveries.enable_endpoint("anna", "https://example.org/hook")
    assert move(cloud, data) == 0
    assert target.deliveries.disabled_endpoints("anna") == []


def test_every_table_moves_or_stays_for_a_reason(stores: Stores) -> None:
    """Decide about a new one in embedded/move, and say in docs/deploy.md what stays."""
    with stores.database.read() as connection:
        found = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    moved = {
        *("blobs", "deliveries", "attempts", "disabled_endpoints", "deleted_blobs"),
        *("owners", "api_keys", "label_policies", "vocabularies"),
    }
    made_again = {
        *("label_entries", "label_summaries", "counted_labels", "blob_counts"),
        "metadata_entries",
    }
    stays = {
        *("changes", "feeds", "messages", "facts"),  # of this service's own work
        *("upload_keys", "upload_counts", "audit", "embeddings"),
    }
    own = {name for (name,) in found if not name.startswith("sqlite_")}
    assert own == moved | made_again | stays


def test_folder_whose_changes_wait_is_refused(
    cloud: Cloud, data: Path, stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their webhooks exist nowhere yet."""
    add_labelled(data, stores)
    assert move(cloud, data) == 1
    assert "start it, wait some seconds, and stop it again" in capsys.readouterr().err
    assert target_of(cloud).owners.list_keys() == []


def test_folder_of_nothing_is_refused_and_left_alone(cloud: Cloud, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert move(cloud, tmp_path) == 2
    assert list(tmp_path.iterdir()) == []
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_images_in_another_bucket_move_too(
    cloud: Cloud, data: Path, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = add_labelled(data, stores)
    settle(stores)
    cloud.s3.create_bucket(
        Bucket="former", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    with stores.database.write() as connection:
        connection.execute("INSERT INTO facts VALUES ('storage', 's3://former/labels')")
    content = path_of(data, blob.key).read_bytes()
    cloud.s3.put_object(Bucket="former", Key=f"labels/{blob.key}", Body=content)
    path_of(data, blob.key).unlink()
    assert move(cloud, data) == 0
    assert target_of(cloud).has_original(blob, blob.sha256 or "")
    assert list(data.glob(".incoming/*")) == []


def test_served_folder_is_only_copied(
    cloud: Cloud, data: Path, stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    add_key(stores, "anna")
    done = add_labelled(data, stores)
    lock = hold(data)
    try:
        assert move(cloud, data) == 0
    finally:
        os.close(lock)
    assert "stop it, and run the command again" in capsys.readouterr().err
    assert target_of(cloud).blobs.get(done.id) == done
    assert target_of(cloud).owners.list_keys() == []


@pytest.mark.emulators
def test_killed_move_continues_on_ministack(
    ministack: Emulator, data: Path, stores: Stores
) -> None:
    """A process of its own, ended by SIGKILL with half of the images there."""
    blobs = [add_labelled(data, stores, b"image %d" % number) for number in range(IMAGES)]
    settle(stores)
    stores.database.close()
    dynamodb, s3 = ministack.client("dynamodb"), ministack.client("s3")
    dynamodb.create_table(TableName="moved", **table_definition())
    s3.create_bucket(Bucket="moved", CreateBucketConfiguration={"LocationConstraint": REGION})

    def start() -> subprocess.Popen[str]:
        command = ["move", "--to-table", "moved", "--to-bucket", "moved", "--data", str(data)]
        return subprocess.Popen(
            [sys.executable, "-m", "embedded", *command],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **ministack.environ},
            stdout=subprocess.PIPE,
            text=True,
        )

    def stored() -> int:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket="moved")
        return sum(page["KeyCount"] for page in pages)

    killed = start()
    wait_until(lambda: stored() >= IMAGES // 2 or killed.poll() is not None)
    assert killed.returncode is None
    killed.kill()
    killed.communicate()
    assert stored() < IMAGES
    again = start()
    printed, _ = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0
    assert printed == f"Compared {IMAGES} blobs, {IMAGES} images: 0 differ.\n"
    assert stored() == len(blobs)
