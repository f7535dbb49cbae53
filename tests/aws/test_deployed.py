"""The stack deployed by osls on MiniStack: its functions run under their roles, IAM enforced."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from typing import Final

import httpx
import pytest
from standardwebhooks import Webhook

from core.domain.delivery import MAX_PER_ENDPOINT
from tests.support.aws.deployed_stack import STACK, DeployedStack
from tests.support.images.photos import photo
from tests.support.waiting import wait_until
from tests.support.webhooks.receiver import Received, Receiver

pytestmark = pytest.mark.emulators

BURST: Final = 30
SEND_TEST: Final = "mutation ($url: Url!) { sendTestWebhook(url: $url) { __typename } }"


def test_stack_is_deployed_used_updated_and_removed(
    stack: DeployedStack, receiver: Receiver
) -> None:
    """From an empty account to a verified webhook, and back; the pictures stay."""
    stack.deploy()
    stack.use_key("anna")
    secret = stack.command("webhook-secret", "--owner", "anna")
    blob_id = label(stack, receiver, secret)
    refused_without_role(stack)
    assert by_label(stack) == [blob_id]
    burst(stack, receiver)

    stack.deploy(webhookTimeout="15")
    functions = stack.ministack.client("lambda")
    notifier = functions.get_function_configuration(FunctionName=f"{STACK}-notifier")
    assert notifier["Environment"]["Variables"]["LABELLING_WEBHOOK_TIMEOUT"] == "15"
    other = label(stack, receiver, secret)
    assert by_label(stack) == [other, blob_id]

    stack.osls("remove")
    assert functions.list_functions()["Functions"] == []
    left = stack.ministack.client("dynamodb").list_tables()["TableNames"]
    assert left == [stack.outputs["TableName"]]
    kept = stack.ministack.client("s3").list_objects_v2(Bucket=stack.outputs["BucketName"])
    assert {each["Key"] for each in kept["Contents"]} == {
        f"originals/anna/{each}" for each in (blob_id, other)
    }


def label(stack: DeployedStack, receiver: Receiver, secret: str) -> str:
    """Upload a picture, and see its labels come by webhook and by query; return the blob's id."""
    blob_id, target = stack.create_upload(photo("chelsea.png"), receiver.url)
    assert stack.put(target, photo("astronaut.png")) == 403
    assert stack.put(target, photo("chelsea.png")) == 200
    assert stack.put(target, photo("chelsea.png")) == 412
    received = receiver.wait_for(lambda each: blob_id in each.body.decode())
    verified = Webhook(secret).verify(received.body, received.headers)
    blob = stack.wait_for(blob_id, "LABELLED", "DELIVERED")
    posted = [{**label, "source": "DETECTOR"} for label in blob["labels"]]
    assert verified["data"]["blob"]["labels"] == posted
    assert [each["name"] for each in blob["labels"]] == ["Animal", "Cat"]
    downloaded = httpx.get(blob["downloadUrl"], verify=stack.ministack.trusted())
    assert downloaded.content == photo("chelsea.png")
    return blob_id


def burst(stack: DeployedStack, receiver: Receiver) -> None:
    """See many webhooks to one endpoint arrive once each, a few at a time, without the sweep."""
    events = stack.ministack.client("events")
    rules = [each["Name"] for each in events.list_rules()["Rules"]]
    for rule in rules:
        events.disable_rule(Name=rule)
    before, lock = len(receiver.received), threading.Lock()
    at_once, most = 0, 0

    def answer(_: Received) -> int:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.2)  # so that others come meanwhile
        with lock:
            at_once -= 1
        return 200

    receiver.answer = answer
    for _ in range(BURST):
        stack.graphql(SEND_TEST, url=receiver.url)
    wait_until(lambda: len(receiver.received) >= before + BURST)
    ids = Counter(each.headers["webhook-id"] for each in receiver.received[before:])
    assert set(ids.values()) == {1}
    assert most <= MAX_PER_ENDPOINT
    receiver.answer = lambda _: 200
    for rule in rules:
        events.enable_rule(Name=rule)


def by_label(stack: DeployedStack) -> list[str]:
    """Return the ids of the blobs that show a cat, newest first."""
    found = stack.graphql('{ blobsByLabel(label: "cat") { nodes { id } } }')
    return [each["id"] for each in found["blobsByLabel"]["nodes"]]


def refused_without_role(stack: DeployedStack) -> None:
    """See that a function can do nothing once its role allows nothing."""
    iam, role = stack.ministack.client("iam"), stack.resources()["ApiRole"]
    policy = iam.get_role_policy(RoleName=role, PolicyName="api")["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="api")
    refused = stack.http.post("/graphql", json={"query": "{ blobs { nodes { id } } }"})
    iam.put_role_policy(RoleName=role, PolicyName="api", PolicyDocument=json.dumps(policy))
    assert refused.status_code == 503, refused.text
