"""Labels of the stack that change: again, by a person, by a policy."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from embedded.cli.main import main
from tests.support.aws.cloud import Cloud, Rekognition, made_key
from tests.support.aws.stack_operations import (
    BY_LABELS,
    CAT,
    CORRECT,
    LISTS,
    ONE_LABEL,
    blob_now,
    relabel,
)
from tests.support.webhooks.receiver import Receiver


def test_a_picture_is_labelled_again(
    cloud: Cloud, key: str, receiver: Receiver, rekognition: Rekognition
) -> None:
    """The old labels stay until the new ones come; the webhook is sent again; counts follow."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    assert relabel(cloud, key, blob_id)["status"] == "AWAITING_UPLOAD"
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    before = blob_now(cloud, key, blob_id)
    asked = relabel(cloud, key, blob_id)
    assert asked == {"__typename": "RelabelledBlob", "blob": {"id": blob_id, "status": "LABELLING"}}
    assert relabel(cloud, key, blob_id)["status"] == "LABELLING"
    assert blob_now(cloud, key, blob_id)["labels"] == before["labels"]
    rekognition.answer = {"LabelModelVersion": "3.1", "Labels": [{"Name": "Dog", "Confidence": 99}]}
    assert cloud.carry("Uploads", "labeller") == 1
    after = blob_now(cloud, key, blob_id)
    assert [label["name"] for label in after["labels"]] == ["Dog"]
    assert (after["status"], after["sizeBytes"]) == ("LABELLED", len(CAT))
    assert cloud.notify() == 1
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 2
    lists = cloud.graphql(key, LISTS, ids=[])
    (dog,) = lists["labels"]["nodes"]
    assert (dog["name"], dog["blobCount"], dog["cover"]) == ("Dog", 1, {"id": blob_id})


def test_corrected_labels_stay_and_are_reported(
    cloud: Cloud, key: str, receiver: Receiver, rekognition: Rekognition
) -> None:
    """In search, counts and a webhook of their own; and when the picture is labelled again."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url, callbackOnLabelChange=True)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    corrected = cloud.graphql(key, CORRECT, ids=[blob_id])["addLabels"]["outcomes"][0]["blob"]
    assert corrected["labels"][0] == {"name": "Tom", "source": "OWNER"}
    cloud.notify()
    cloud.carry("Hints", "notifier")
    kinds = [json.loads(each.body)["type"] for each in receiver.received]
    assert kinds == ["blob.labelled", "blob.labels_changed", "blob.labels_changed"]
    rekognition.answer = {
        "LabelModelVersion": "3.1",
        "Labels": [{"Name": name, "Confidence": 99} for name in ("Cat", "Dog")],
    }
    relabel(cloud, key, blob_id)
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    shown = [label["name"] for label in blob_now(cloud, key, blob_id)["labels"]]
    assert shown == ["Tom", "Dog"]
    for label, found in (("Cat", []), ("Tom", [blob_id])):
        nodes = cloud.graphql(key, BY_LABELS, all=[label])["blobs"]["nodes"]
        assert [each["id"] for each in nodes] == found
    labels = cloud.graphql(key, LISTS, ids=[])["labels"]["nodes"]
    assert sorted(each["name"] for each in labels) == ["Dog", "Tom"]


def test_a_whole_catalogue_is_labelled_again(
    cloud: Cloud,
    key: str,
    rekognition: Rekognition,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the command, through the table and the queue; what is new enough is left alone."""
    blobs = []
    for _ in range(3):
        blob_id, target = cloud.create_upload(key)
        cloud.put(target, CAT)
        blobs.append(blob_id)
    cloud.carry("Uploads", "labeller")
    rekognition.answer = {"LabelModelVersion": "4.0", "Labels": [{"Name": "Dog", "Confidence": 99}]}
    asked = [
        *("relabel", "--all", "--older-than", "rekognition/4.0", "--in-flight", "2"),
        *("--table", cloud.ids["Table"], "--queue", cloud.ids["Uploads"]),
        *("--state", str(tmp_path / "state.json")),
    ]
    for labelled in (3, 0):
        with ThreadPoolExecutor(1) as pool:
            status = pool.submit(main, asked)
            while not status.done():
                cloud.carry("Uploads", "labeller")
                time.sleep(0.05)
        assert status.result() == 0
        assert f"{labelled} of 3 pictures labelled again." in capsys.readouterr().out
    for each in blobs:
        assert [label["name"] for label in blob_now(cloud, key, each)["labels"]] == ["Dog"]


def test_bytes_whose_digest_was_declared_are_looked_at_once(
    cloud: Cloud, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By each owner: Rekognition is asked no second time, once its version is known."""
    digest = base64.b64encode(hashlib.sha256(CAT).digest()).decode()

    def looks() -> int:
        return sum(call.service == "rekognition" for call in cloud.calls)

    def label(key: str) -> Any:
        blob_id, target = cloud.create_upload(key, sizeBytes=len(CAT), sha256=digest)
        cloud.put(target, CAT)
        cloud.carry("Uploads", "labeller")
        return cloud.graphql(
            key,
            "query ($id: ID!) {"
            " blob(id: $id) { sha256 labels { name } detector { name version } } }",
            id=blob_id,
        )["blob"]

    first = label(key)
    assert first["sha256"] == digest
    assert first["detector"] == {"name": "rekognition", "version": "3.0"}
    assert (label(key), looks()) == (first, 1)
    label(made_key(cloud, capsys, "bert"))
    assert looks() == 2


def test_a_picture_without_its_bytes_can_not_be_labelled_again(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    """It ends ORIGINAL_MISSING, and a webhook has the code."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.s3.delete_object(Bucket=cloud.ids["Bucket"], Key=f"originals/anna/{blob_id}")
    relabel(cloud, key, blob_id)
    cloud.carry("Uploads", "labeller")
    assert blob_now(cloud, key, blob_id)["failure"]["code"] == "ORIGINAL_MISSING"
    cloud.notify()
    events = [json.loads(received.body)["type"] for received in receiver.received]
    assert sorted(events) == ["blob.failed", "blob.labelled"]


def test_label_policy_is_applied_to_stored_blobs_by_the_schedule(cloud: Cloud, key: str) -> None:
    blob_id, target = cloud.create_upload(key)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    query = "query ($id: ID!) { blob(id: $id) { labels { name } detectedLabels { name } } }"
    before = cloud.graphql(key, query, id=blob_id)["blob"]
    assert len(before["labels"]) > 1
    cloud.graphql(key, ONE_LABEL)
    cloud.schedule("labeller")
    after = cloud.graphql(key, query, id=blob_id)["blob"]
    assert after == {**before, "labels": before["labels"][:1]}
    progress = "{ viewer { labelPolicy { progress { examined total finishedAt } } } }"
    shown = cloud.graphql(key, progress)["viewer"]["labelPolicy"]["progress"]
    assert (shown["examined"], shown["total"], bool(shown["finishedAt"])) == (1, None, True)
