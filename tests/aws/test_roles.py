"""Each function's role: it allows what the function does, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.support.aws.calls import (
    Permission,
    permissions_of,
    permissions_of_platform,
)
from tests.support.aws.cloud import Cloud
from tests.support.aws.iam import Statement, allows, role_statements
from tests.support.aws.stack_operations import (
    BY_LABEL,
    BY_LABELS,
    CAT,
    CORRECT,
    DISABLED,
    ENABLE,
    FOLLOW,
    KEYS_PATH,
    LISTS,
    ONE_LABEL,
    REDELIVER,
    ROTATE,
    SEND_TEST,
    blob_now,
    delete,
    delete_later,
    deletion_is_due,
    expire_all,
    fill,
    half_an_hour_passes,
    let_one_end,
    relabel,
    restore,
)
from tests.support.waiting import PATIENCE, wait_until
from tests.support.webhooks.receiver import Receiver


def test_each_role_allows_what_its_function_does_and_nothing_else(
    cloud: Cloud, key: str, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every call of a whole run is allowed, every grant is used; both lists are printed."""
    exercise(cloud, key, receiver)
    used: dict[str, set[Permission]] = permissions_of_platform(cloud.template, cloud.refs)
    for call in cloud.calls:
        used[call.function].update(permissions_of(call, cloud.refs))
    statements = role_statements(cloud.template, cloud.refs)
    told, refused, unused = [], [], []
    for function, needed in sorted(used.items()):
        for action, resource in sorted(needed):
            allowed = allows(statements[function], action, resource)
            told.append(f"{function:9} {'uses' if allowed else 'MAY NOT':8} {action:27} {resource}")
            if not allowed:
                refused.append((function, action, resource))
        for action, resource, statement in grants(statements[function]):
            if not any(allows([statement], *each) for each in needed):
                told.append(f"{function:9} {'UNUSED':8} {action:27} {resource}")
                unused.append((function, action, resource))
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *told, ""]))
    assert refused == []
    assert unused == []


def grants(statements: list[Statement]) -> Iterator[tuple[str, str, Statement]]:
    """Give each action on each resource as a statement of its own."""
    for statement in statements:
        for action, resource in product(statement.actions, statement.resources):
            yield action, resource, replace(statement, actions=(action,), resources=(resource,))


def exercise(cloud: Cloud, key: str, receiver: Receiver) -> None:
    """Have every function do everything that it can be asked for."""
    digest = base64.b64encode(hashlib.sha256(CAT).digest()).decode()
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url, sha256=digest)
    cloud.put(target, CAT)
    alike = """
      query ($sha256: String) {
        blobs(filter: {sha256: $sha256}) { nodes { id } }
        named: blobs(orderBy: FILE_NAME) { nodes { id } }
      }
    """
    cloud.graphql(key, alike, sha256=digest)
    failing, target = cloud.create_upload(key)
    cloud.put(target, b"no picture")
    cloud.own["labeller"]["LABELLING_MAX_UPLOAD_BYTES"] = str(2 * len(CAT))
    cloud.restart("labeller")
    _, target = cloud.create_upload(key)
    cloud.put(target, CAT * 3)
    cloud.create_upload(key)
    for name in ("inbox/anna/cat.png", "inbox/without-owner.png"):
        cloud.s3.put_object(Bucket=cloud.ids["Bucket"], Key=name, Body=CAT)
    uploads = cloud.drain("Uploads")
    for upload in uploads:
        cloud.invoke("labeller", {"Records": [upload]})
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    cloud.graphql(key, ONE_LABEL)
    for schedule in ("notifier", "labeller"):
        cloud.schedule(schedule)
    expire_all(cloud)
    receiver.answer = lambda _: 410
    cloud.graphql(key, REDELIVER, id=f"msg_{blob_id}")
    claims = fill(cloud, f"{receiver.url}/busy")
    cloud.graphql(key, SEND_TEST, url=f"{receiver.url}/busy")
    cloud.graphql(key, SEND_TEST, url=receiver.url)
    let_one_end(cloud, claims[0])
    cloud.graphql(key, SEND_TEST, url=f"{receiver.url}/busy")
    for _ in range(2):
        cloud.carry("Hints", "notifier")
    cloud.graphql(key, DISABLED)
    cloud.graphql(key, ENABLE, url=receiver.url)
    poison = {"eventSource": "aws:dynamodb", "eventID": "1", "dynamodb": {"SequenceNumber": "1"}}
    cloud.invoke("notifier", {"Records": [poison]})
    blob = blob_now(cloud, key, blob_id)
    cloud.get(blob["downloadUrl"])
    cloud.graphql(key, LISTS, ids=[blob_id, failing])
    for order in ("NEWEST", "CONFIDENCE"):
        cloud.graphql(key, BY_LABEL, label=blob["labels"][0]["name"], order=order)
    cloud.graphql(key, ROTATE)
    cloud.http("GET", f"{KEYS_PATH}?owner=anna")
    cloud.graphql(key, BY_LABELS, all=["cat", "animal"])
    for _ in range(2):
        cloud.create_upload(key, idempotencyKey="1")
    cloud.graphql(key, CORRECT, ids=[blob_id])
    let_wait(cloud, key, blob_id, failing)
    for node in cloud.graphql(key, LISTS, ids=[])["blobs"]["nodes"]:
        delete(cloud, key, node["id"])
        half_an_hour_passes(cloud, node["id"])
    for upload in uploads:
        cloud.invoke("labeller", {"Records": [upload]})
    cloud.notify()
    cloud.schedule("labeller")
    listen_for_a_while(cloud, key)


def let_wait(cloud: Cloud, key: str, restored: str, deleted: str) -> None:
    """Label a blob again, and let two wait to be deleted; one is restored, one deleted."""
    relabel(cloud, key, restored)
    cloud.carry("Uploads", "labeller")
    delete_later(cloud, key, restored, deleted)
    restore(cloud, key, restored)
    deletion_is_due(cloud, deleted)
    cloud.schedule("api")


def listen_for_a_while(cloud: Cloud, key: str) -> None:
    """Follow a picture, stop following another, and break the protocol."""
    blob_id, target = cloud.create_upload(key)
    protocol = Subprotocol("graphql-transport-ws")
    with cloud.sockets() as gateway, connect(gateway.url, subprotocols=[protocol]) as client:

        def say(kind: str, answers: int = 1, **parts: Any) -> None:
            client.send(json.dumps({"type": kind, **parts}))
            for _ in range(answers):
                client.recv(timeout=PATIENCE)

        say("connection_init", payload={"authorization": f"Bearer {key}"})
        for operation in ("1", "2"):
            asked = {"query": FOLLOW, "variables": {"id": blob_id}}
            say("subscribe", id=operation, payload=asked)
        say("complete", 0, id="2")
        say("ping")
        cloud.put(target, CAT)
        cloud.carry("Uploads", "labeller")
        cloud.notify()
        assert cloud.tell() == 1
        client.send("no message")
        wait_until(lambda: not gateway.sockets)
