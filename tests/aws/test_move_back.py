"""`labelling move --from-table`: a stack becomes a data folder again, and nothing is lost."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from core.domain.blob import Blob, Failure, FailureCode, label_again, record_failure
from core.domain.clock import utc_now
from core.domain.corrections import DecisionKind
from core.domain.deletion import set_deletion
from core.domain.facts import Facts
from core.domain.label_policy import LabelPolicy
from core.domain.own_vocabulary import LabelDefinition, OwnVocabulary
from core.repositories.ports.policies import set_policy_of
from core.repositories.ports.vocabularies import set_vocabulary_of
from embedded.cli.main import main
from embedded.data.lock import hold
from embedded.data.originals import open_storage
from embedded.move.folder import Folder, UnfinishedMove, begin_service
from embedded.move.mover import Mover
from embedded.service import Service
from embedded.settings import Settings
from embedded.stores import Stores, open_stores
from tests.aws.test_move import (
    CAT,
    add,
    add_delivery,
    add_key,
    add_labelled,
    move,
    settle,
    target_of,
)
from tests.support.aws.cloud import Cloud
from tests.support.aws.dynamodb import table_definition
from tests.support.aws.emulators import REGION, ROOT, Emulator
from tests.support.blobs import a_blob, corrected, labelled
from tests.support.images.detectors import ScriptedDetector, thumbnail_here
from tests.support.services.process import ServiceProcess
from tests.support.waiting import PATIENCE, wait_until
from tests.support.webhooks.receiver import Receiver

IMAGES = 200
# What a service makes again, or what is of its own work: see test_move.py.
NOT_COMPARED = {"changes", "feeds", "messages", "facts", "upload_counts", "audit", "embeddings"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return tmp_path / "new"


@pytest.fixture
def stores(data: Path) -> Any:
    opened = open_stores(Settings(data=data))
    yield opened
    opened.database.close()


def move_back(cloud: Cloud, data: Path, *flags: str) -> int:
    place = ["--from-table", cloud.ids["Table"], "--from-bucket", cloud.ids["Bucket"]]
    return main(["move", *place, *flags, "--data", str(data)])


def rows(data: Path) -> dict[str, list[Any]]:
    """What each table has."""
    with closing(sqlite3.connect(data / "labelling.sqlite")) as connection:
        tables = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
        ]
        found = {
            table: sorted(map(read, connection.execute(f"SELECT * FROM {table}")), key=repr)  # noqa: S608
            for table in tables
            if table not in NOT_COMPARED
        }
    found["blob_counts"] = [row for row in found["blob_counts"] if row[-1]]
    return found


def read(row: tuple[Any, ...]) -> list[Any]:
    """A row with its documents read: 100 and 100.0 are the same number."""
    is_document = [isinstance(each, str) and each[:1] in ("{", "[") for each in row]
    return [
        json.loads(each) if document else each
        for each, document in zip(row, is_document, strict=True)
    ]


def files(data: Path) -> dict[str, bytes]:
    originals = data / "originals"
    return {
        str(path.relative_to(originals)): path.read_bytes()
        for path in originals.rglob("*")
        if path.is_file()
    }


def count(stores: Stores, blob: Blob) -> None:
    """Count a blob's labels, as the notifier does."""
    names = {label.name for label in blob.labels or ()}
    stores.blobs.count_labels(blob.owner, blob.id, blob.version, names)


def fill(data: Path, stores: Stores) -> None:
    """Store something of every kind."""
    now = utc_now()
    first = add_labelled(
        data,
        stores,
        facts=Facts("a.png", "1", (("place", "Oslo"), ("day", "1"))),
        callback_url="https://example.org/hook",
    )
    added = corrected(first, DecisionKind.ADDED, "Tom")
    edited = corrected(added, DecisionKind.REMOVED, "Animal")
    stores.blobs.save(added, first)
    stores.blobs.save(edited, added)
    count(stores, edited)
    add_delivery(stores, first, is_sent=True)
    waits = add_labelled(data, stores, owner="bert", callback_url="https://example.org/other")
    count(stores, waits)
    add_delivery(stores, waits, is_sent=False)
    failing = add(data, stores)
    failure = Failure(FailureCode.CORRUPT_IMAGE, "It is damaged.")
    stores.blobs.save(record_failure(failing, now, failure), failing)
    stores.blobs.create(a_blob(now))  # awaits its upload
    leaving = add_labelled(data, stores, facts=Facts("b.png", "2", (("place", "Rome"),)))
    stores.blobs.save(set_deletion(leaving, now, now + timedelta(hours=1)), leaving)
    for owner in ("anna", "bert"):
        stores.owners.get_or_create(owner)
        add_key(stores, owner)
    set_policy_of(stores.blobs.policies, "anna", LabelPolicy(), now)
    defined = OwnVocabulary(labels=(LabelDefinition("Tom", ("Cat",)),))
    set_vocabulary_of(stores.blobs.vocabularies, "anna", replace(defined, version=0), now)
    stores.deliveries.disable_endpoint("anna", "https://example.org/hook", now)
    settle(stores)


def test_there_and_back_differs_in_nothing(
    cloud: Cloud, data: Path, stores: Stores, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(data, stores)
    assert move(cloud, data) == 0
    capsys.readouterr()
    assert move_back(cloud, new, "--stopped") == 0
    assert "5 blobs, 4 images" in capsys.readouterr().out
    before, after = rows(data), rows(new)
    assert before["blobs"]
    assert before["label_entries"]
    assert before["counted_labels"]
    for table in before:
        assert after[table] == before[table], table
    assert files(new) == files(data)
    back = open_stores(Settings(data=new))
    assert back.owners.find_owner("bert") == stores.owners.find_owner("bert")
    back.database.close()


def test_what_waits_goes_on_in_the_folder(
    cloud: Cloud, data: Path, stores: Stores, new: Path, receiver: Receiver
) -> None:
    """An upload that the labeller has not read, one labelled again, and a webhook to be sent."""
    key = add_key(stores, "local")
    secret = stores.owners.get_or_create("local").webhook_secrets
    again = add_labelled(data, stores, owner="local")
    stores.blobs.save(label_again(again, utc_now()), again)
    unsent = add_labelled(data, stores, owner="local", callback_url=receiver.url)
    delivery = add_delivery(stores, unsent, is_sent=False)
    settle(stores)
    assert move(cloud, data) == 0
    cloud.own["api"]["LABELLING_PRIVATE_CALLBACKS"] = "yes"
    arrived, target = cloud.create_upload(key, callbackUrl=receiver.url)
    assert cloud.put(target, CAT) == 200
    never, _ = cloud.create_upload(key)

    assert move_back(cloud, new, "--stopped") == 0
    assert move_back(cloud, new, "--stopped") == 0  # repeats nothing that matters
    service = ServiceProcess(new).start()
    try:
        for blob_id in (arrived, again.id):
            service.wait_for(blob_id, lambda blob: blob["status"] == "LABELLED")
        assert service.blob(never)["status"] == "AWAITING_UPLOAD"
        for blob_id in (arrived, unsent.id):
            service.wait_for(blob_id, lambda blob: blob["callback"]["status"] == "DELIVERED")
    finally:
        service.stop()
    sent = [each.headers["webhook-id"] for each in receiver.received]
    assert len(sent) == len(set(sent)) == 2
    assert delivery.id in sent
    opened = open_stores(Settings(data=new))
    owner = opened.owners.find_owner("local")
    opened.database.close()
    assert owner is not None
    assert owner.webhook_secrets == secret


def test_working_stack_keeps_what_it_works_on(
    cloud: Cloud, data: Path, stores: Stores, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No service uses the folder before the last run, with which the keys come."""
    add_key(stores, "anna")
    done, waiting = add_labelled(data, stores), add(data, stores)
    settle(stores)
    assert move(cloud, data) == 0
    assert move_back(cloud, new) == 0
    assert "again with --stopped" in capsys.readouterr().err
    opened = open_stores(Settings(data=new))
    try:
        assert opened.blobs.get(done.id) == done
        assert opened.blobs.get(waiting.id) is None
        assert opened.owners.list_keys() == []
        settings = Settings(data=new, workers=1)
        with pytest.raises(UnfinishedMove, match="run 'labelling move' with --stopped"):
            Service(
                settings,
                ScriptedDetector(),
                base_url="http://127.0.0.1",
                keyless=True,
                make_thumbnail=thumbnail_here,
            )
    finally:
        opened.database.close()


def test_changes_and_deletions_between_two_runs_are_followed(
    cloud: Cloud, data: Path, stores: Stores, new: Path
) -> None:
    changed, deleted = add_labelled(data, stores), add_labelled(data, stores)
    settle(stores)
    assert move(cloud, data) == 0
    assert move_back(cloud, new) == 0
    stack = target_of(cloud)
    again = label_again(changed, utc_now())
    stack.blobs.save(again, changed)
    stack.blobs.save(labelled(again, ("Dog", 70.0)), again)
    stack.blobs.delete(deleted, utc_now())
    stack.storage.delete(deleted.key)
    assert move_back(cloud, new, "--stopped") == 0
    opened = open_stores(Settings(data=new))
    assert opened.blobs.get(changed.id) == stack.blobs.get(changed.id)
    assert opened.blobs.get(deleted.id) is None
    names = [each.name for each in opened.blobs.find_labels("anna", "", first=10).items]
    opened.database.close()
    assert list(files(new)) == [f"anna/{changed.id}"]
    assert names == ["Dog"]


class Interrupted(Exception):
    """The process was ended."""


class Ending(Folder):
    """A data folder whose mover is ended at one of its writes of images."""

    writes = 1

    def put_original(self, blob: Blob, stream: BinaryIO, sha256: str) -> None:
        if self.writes == 0:
            raise Interrupted
        self.writes -= 1
        super().put_original(blob, stream, sha256)


def test_interrupted_move_continues(cloud: Cloud, data: Path, stores: Stores, new: Path) -> None:
    """Ended before each image, one after the other; what was copied is not copied again."""
    for number in range(4):
        add_labelled(data, stores, CAT + b"%d" % number)
    settle(stores)
    assert move(cloud, data) == 0
    opened = open_stores(Settings(data=new))
    ending = Ending(opened, open_storage(new, opened.database))
    for copied in (1, 2, 3):
        ending.writes = 1
        mover = Mover(target_of(cloud), ending, everything=True, threads=1)
        with pytest.raises(Interrupted):
            mover.run()
        assert len(files(new)) == copied
    ending.writes = 1
    outcome = Mover(target_of(cloud), ending, everything=True, threads=1).run()
    opened.database.close()
    assert outcome.copied["images"] == 1
    assert files(new) == files(data)


def test_webhook_that_the_notifier_has_yet_to_store_is_reported(
    cloud: Cloud, data: Path, stores: Stores, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = add_key(stores, "anna")
    settle(stores)
    assert move(cloud, data) == 0
    sent = cloud.create_upload(key, callbackUrl="https://example.org/hook")
    assert cloud.put(sent[1], CAT) == 200
    cloud.carry("Uploads", "labeller")
    assert move_back(cloud, new, "--stopped") == 1
    told = capsys.readouterr().err
    assert f"blob {sent[0]}: the notifier has not stored its webhook" in told
    assert "No service starts on the folder yet" in told
    opened = open_stores(Settings(data=new))
    with pytest.raises(UnfinishedMove):
        begin_service(opened.database)
    opened.database.close()
    cloud.notify()
    assert move_back(cloud, new, "--stopped") == 0
    opened = open_stores(Settings(data=new))
    begin_service(opened.database)
    (delivery,) = opened.deliveries.find_latest("anna", [sent[0]]).values()
    opened.database.close()
    assert delivery.url == "https://example.org/hook"


def test_lost_and_other_images_are_reported(
    cloud: Cloud, data: Path, stores: Stores, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, other = add_labelled(data, stores), add_labelled(data, stores)
    settle(stores)
    assert move(cloud, data) == 0
    bucket = cloud.ids["Bucket"]
    cloud.s3.delete_object(Bucket=bucket, Key=lost.key)
    cloud.s3.put_object(Bucket=bucket, Key=other.key, Body=b"other")
    assert move_back(cloud, new, "--stopped") == 1
    told = capsys.readouterr().err
    assert f"{lost.key}: its bytes are missing." in told
    assert f"blob {other.id}: its bytes are not those that were uploaded" in told
    assert files(new) == {}
    opened = open_stores(Settings(data=new))
    begin_service(opened.database)  # no other run would bring them
    opened.database.close()


def test_folder_with_other_records_is_refused(
    cloud: Cloud, data: Path, stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    add_labelled(data, stores)
    assert move_back(cloud, data) == 1
    assert "name a new folder with --data" in capsys.readouterr().err


def test_served_folder_is_refused(
    cloud: Cloud, new: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = hold(new)
    try:
        assert move_back(cloud, new) == 1
    finally:
        os.close(lock)
    assert "Another process serves" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--to-table", "t"],
        ["--from-table", "t"],
        ["--to-table", "t", "--to-bucket", "b", "--stopped"],
        ["--to-table", "t", "--to-bucket", "b", "--from-table", "t", "--from-bucket", "b"],
    ],
)
def test_flags_of_no_direction_are_refused(
    new: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["move", *flags, "--data", str(new)]) == 2
    assert "Give --to-table and --to-bucket" in capsys.readouterr().err
    assert not new.exists()


@pytest.mark.emulators
def test_killed_move_continues_on_ministack(
    ministack: Emulator, data: Path, stores: Stores, new: Path
) -> None:
    """Processes of their own, there and back; the second is ended by SIGKILL half way."""
    for number in range(IMAGES):
        add_labelled(data, stores, b"image %d" % number)
    settle(stores)
    stores.database.close()
    dynamodb, s3 = ministack.client("dynamodb"), ministack.client("s3")
    dynamodb.create_table(TableName="back", **table_definition())
    s3.create_bucket(Bucket="back", CreateBucketConfiguration={"LocationConstraint": REGION})

    def start(*flags: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "embedded", "move", *flags],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **ministack.environ},
            stdout=subprocess.PIPE,
            text=True,
        )

    def back() -> subprocess.Popen[str]:
        place = ("--from-table", "back", "--from-bucket", "back", "--stopped")
        return start(*place, "--data", str(new))

    there = start("--to-table", "back", "--to-bucket", "back", "--data", str(data))
    there.communicate(timeout=5 * PATIENCE)
    assert there.returncode == 0
    killed = back()
    wait_until(lambda: len(files(new)) >= IMAGES // 2 or killed.poll() is not None)
    assert killed.returncode is None
    killed.kill()
    killed.communicate()
    assert len(files(new)) < IMAGES
    again = back()
    printed, _ = again.communicate(timeout=5 * PATIENCE)
    assert again.returncode == 0
    assert printed == f"Compared {IMAGES} blobs, {IMAGES} images: 0 differ.\n"
    assert rows(new)["blobs"] == rows(data)["blobs"]
    assert files(new) == files(data)
