"""What goes wrong in the stack, and how it goes on."""

from __future__ import annotations

import copy
import json
import re

import pytest

from core.domain.errors import LabellingError
from core.runtime.settings import BadSetting
from tests.support.aws.cloud import Cloud, Rekognition
from tests.support.aws.stack_operations import (
    CAT,
    LISTS,
    blob_now,
    expire_all,
)
from tests.support.webhooks.receiver import Receiver


def test_what_is_no_picture_fails_and_its_webhook_says_why(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    """For each kind of failure."""
    blobs = {}
    for content, code in [
        (b"no picture", "UNSUPPORTED_FORMAT"),
        (CAT[:30], "CORRUPT_IMAGE"),
    ]:
        blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
        assert cloud.put(target, content) == 200
        blobs[blob_id] = code
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    told = {}
    for received in receiver.received:
        blob = json.loads(received.body)["data"]["blob"]
        told[blob["id"]] = blob["failure"]["code"]
    found = {blob_id: blob_now(cloud, key, blob_id)["failure"]["code"] for blob_id in blobs}
    assert found == told == blobs


def test_a_lost_hint_is_made_good_by_the_sweep(cloud: Cloud, key: str, receiver: Receiver) -> None:
    """The due index is the truth."""
    _, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.invoke("notifier", {"Records": cloud.changes()})
    assert len(cloud.drain("Hints")) == 1
    cloud.schedule("notifier")
    assert cloud.carry("Hints", "notifier") == 1
    assert len(receiver.received) == 1
    cloud.schedule("notifier")
    assert cloud.carry("Hints", "notifier") == 0


def test_events_told_twice_change_nothing(cloud: Cloud, key: str, receiver: Receiver) -> None:
    """S3 events, stream records and hints."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    (upload,) = cloud.drain("Uploads")
    for _ in range(2):
        cloud.invoke("labeller", {"Records": [upload]})
    cloud.invoke("labeller", json.loads(upload["body"]))  # bare, as S3 calls without a queue
    changes = cloud.changes()
    assert [change["eventName"] for change in changes] == ["INSERT", "MODIFY"]
    for _ in range(2):
        cloud.invoke("notifier", {"Records": changes})
    (hint,) = cloud.drain("Hints")
    for _ in range(2):
        cloud.invoke("notifier", {"Records": [hint]})
    assert len(receiver.received) == 1
    assert blob_now(cloud, key, blob_id)["callback"]["attempts"] == [
        {"responseStatus": 200, "errorCode": None}
    ]
    labels = cloud.graphql(key, LISTS, ids=[])["labels"]["nodes"]
    assert {label["blobCount"] for label in labels} == {1}


def test_one_broken_message_does_not_hold_up_its_batch(cloud: Cloud, key: str) -> None:
    """It alone is given back."""
    blob_id, target = cloud.create_upload(key)
    cloud.put(target, CAT)
    (good,) = cloud.drain("Uploads")
    bad = {**good, "messageId": "bad", "body": "no JSON"}
    answer = cloud.invoke("labeller", {"Records": [bad, good]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert blob_now(cloud, key, blob_id)["status"] == "LABELLED"


def test_every_line_logged_has_the_requests_id_and_the_blobs(
    cloud: Cloud, key: str, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON; and what happened is counted in CloudWatch's embedded metric format."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    capsys.readouterr()
    cloud.carry("Uploads", "labeller")
    labeller = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    cloud.notify()
    notifier = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for lines, service, metrics in (
        (labeller, "labeller", {"PicturesLabelled", "DetectionTime"}),
        (notifier, "notifier", {"WebhooksDelivered"}),
    ):
        counted = {
            metric["Name"]
            for line in lines
            for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
            for metric in directive["Metrics"]
        }
        assert counted == metrics
        told = [line for line in lines if "_aws" not in line]
        assert told, "something is logged"
        assert {line["service"] for line in told} == {service}
        assert all(line["function_request_id"].startswith("request-") for line in told)
        assert {line["blob_id"] for line in told} == {blob_id}


def test_a_picture_is_given_up_and_taken_up_again(
    cloud: Cloud, key: str, receiver: Receiver, rekognition: Rekognition
) -> None:
    """While Rekognition can't answer; its dead letter, sent back, has it labelled."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    rekognition.error = "ThrottlingException"
    assert cloud.redeliver("Uploads", "labeller") == 30
    assert blob_now(cloud, key, blob_id)["failure"]["code"] == "LABELLER_UNAVAILABLE"
    cloud.notify()
    rekognition.error = None
    (letter,) = cloud.dead_letters
    letter["attributes"]["ApproximateReceiveCount"] = "1"
    assert cloud.invoke("labeller", {"Records": [letter]}) == {"batchItemFailures": []}
    assert blob_now(cloud, key, blob_id)["status"] == "LABELLED"
    cloud.notify()
    events = [json.loads(received.body)["type"] for received in receiver.received]
    assert events == ["blob.failed", "blob.labelled"]


def test_a_short_trouble_is_not_seen(cloud: Cloud, key: str, rekognition: Rekognition) -> None:
    """The message comes again."""
    blob_id, target = cloud.create_upload(key)
    cloud.put(target, CAT)
    (upload,) = cloud.drain("Uploads")
    rekognition.error = "InternalServerError"
    answer = cloud.invoke("labeller", {"Records": [upload]})
    assert answer == {"batchItemFailures": [{"itemIdentifier": upload["messageId"]}]}
    assert blob_now(cloud, key, blob_id)["status"] == "AWAITING_UPLOAD"
    rekognition.error = None
    cloud.invoke("labeller", {"Records": [upload]})
    assert blob_now(cloud, key, blob_id)["status"] == "LABELLED"


def test_a_picture_that_comes_late_or_untold_is_labelled(cloud: Cloud, key: str) -> None:
    """After its blob has expired; and one whose event was lost, when its time is over."""
    late, late_target = cloud.create_upload(key)
    expire_all(cloud)
    assert blob_now(cloud, key, late)["status"] == "EXPIRED"
    cloud.put(late_target, CAT)
    cloud.carry("Uploads", "labeller")
    assert blob_now(cloud, key, late)["status"] == "LABELLED"
    untold, target = cloud.create_upload(key)
    cloud.put(target, CAT)
    assert len(cloud.drain("Uploads")) == 1
    expire_all(cloud)
    assert blob_now(cloud, key, untold)["status"] == "LABELLED"


def test_a_change_that_can_not_be_read_is_set_aside(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    """Whole, in the queue that an alarm watches; the others go on."""
    _, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    _, change = cloud.changes()  # the creation, and the labels
    poison = copy.deepcopy(change)
    poison["dynamodb"]["NewImage"]["created_at"] = {"S": "yesterday"}
    assert cloud.invoke("notifier", {"Records": [poison, change]}) == {"batchItemFailures": []}
    assert cloud.carry("Hints", "notifier") == 1
    assert len(receiver.received) == 1
    (quarantine,) = cloud.drain("StreamFailures")
    assert json.loads(quarantine["body"]) == {"Records": [poison]}


def test_a_function_with_a_setting_wrong_says_so(cloud: Cloud, key: str) -> None:
    """By name."""
    variables = cloud.template["Resources"]["ApiLambdaFunction"]["Properties"]["Environment"][
        "Variables"
    ]
    variables["LABELLING_MAX_UPLOAD_BYTES"] = "many"
    cloud.restart("api")
    with pytest.raises(BadSetting, match="LABELLING_MAX_UPLOAD_BYTES is 'many'"):
        cloud.http("GET", "/healthz")


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ("onnx", "the labeller's zip doesn't contain onnxruntime. Choose rekognition, or an"),
        ("eyes", "There is no detector 'eyes'. Choose onnx, rekognition or package.module:factory"),
    ],
)
def test_a_detector_that_is_not_there_is_told(cloud: Cloud, choice: str, says: str) -> None:
    """By the first invocation."""
    cloud.own["labeller"]["LABELLING_DETECTOR"] = choice
    cloud.restart("labeller")
    with pytest.raises((BadSetting, LabellingError), match=re.escape(says)):
        cloud.schedule("labeller")
