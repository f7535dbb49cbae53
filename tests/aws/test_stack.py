"""The stack as deployed, from an upload's promise to its webhook, by the real handlers."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from standardwebhooks import Webhook
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from api.graphql.persisted import hash_of
from core.domain.blob import Blob
from core.domain.clock import from_text, to_text, utc_now
from core.domain.delivery import (
    MAX_PER_ENDPOINT,
    Attempt,
    Claim,
    Delivery,
    DeliveryState,
    Verdict,
    delivery_id,
)
from core.domain.errors import LabellingError
from core.domain.label import Detection, Label
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.table import Table
from core.runtime.settings import BadSetting
from embedded.cli.main import main
from labeller.detectors.base import Options, Picture
from tests.support.aws_calls import (
    Permission,
    calling_as,
    permissions_of,
    permissions_of_platform,
)
from tests.support.cloud import Cloud, Rekognition, made_key
from tests.support.dynamodb import table_definition
from tests.support.ed25519 import verify_v1a
from tests.support.http_api import http_api_event
from tests.support.iam import Statement, Template, allows, role_statements
from tests.support.photos import photo
from tests.support.receiver import Received, Receiver
from tests.support.waiting import PATIENCE, wait_until

BLOB = """
query ($id: ID!) {
  blob(id: $id) {
    id status contentType sizeBytes width height createdAt labelledAt downloadUrl
    labels { name confidence parents aliases categories
      instances { confidence boundingBox { left top width height } } }
    failure { code message }
    callback { status attempts { responseStatus errorCode } }
  }
}
"""
BY_LABEL = """
query ($label: String!, $order: LabelledBlobOrder!) {
  blobsByLabel(label: $label, orderBy: $order) { edges { confidence node { id status } } }
}
"""
BY_LABELS = """
query ($all: [String!], $any: [String!], $none: [String!]) {
  blobs(filter: {labels: {all: $all, any: $any, none: $none}}) { nodes { id } }
}
"""
LISTS = """
query ($ids: [ID!]!) {
  blobs { nodes { id } }
  labelled: blobs(filter: { status: [LABELLED] }) { nodes { id } }
  nodes(ids: $ids) { ... on Blob { id } }
  labels(orderBy: BLOB_COUNT) { nodes { name blobCount aliases categories cover { id } } }
  label(name: "CAT") { name }
}
"""
CALLBACK = "id status reason attempts { responseStatus errorCode address }"
ROTATE = """
mutation {
  rotateWebhookSecret { ... on RotatedWebhookSecret { secret previousExpiresAt } }
}
"""
KEYS_PATH = "/.well-known/webhook-keys"
SEND_TEST = f"""
mutation ($url: Url!) {{
  sendTestWebhook(url: $url) {{
    ... on SentTestWebhook {{ delivery {{ {CALLBACK} }} }}
    ... on Error {{ message }}
  }}
}}
"""
REDELIVER = f"""
mutation ($id: ID!) {{
  redeliverWebhook(deliveryId: $id) {{
    ... on RedeliveredWebhook {{ delivery {{ {CALLBACK} }} }}
    ... on Error {{ message }}
  }}
}}
"""
CREATE = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    __typename
    ... on CreatedUpload { blob { id } }
    ... on IdempotencyKeyReused { blobId }
    ... on QuotaExceeded { retryAt }
    ... on Error { message }
  }
}
"""
RELABEL = """
mutation ($id: ID!) {
  relabelBlob(blobId: $id) {
    __typename
    ... on RelabelledBlob { blob { id status } }
    ... on WrongState { status }
    ... on Error { message }
  }
}
"""
CORRECT = """
mutation ($ids: [ID!]!) {
  removeLabels(ids: $ids, names: ["cat"]) { __typename }
  addLabels(ids: $ids, labels: [{name: "Tom"}]) {
    ... on CorrectedBlobs { outcomes { ... on CorrectedBlob { blob { labels { name source } } } } }
  }
}
"""
DELETE = """
mutation ($id: ID!) {
  deleteBlob(blobId: $id) { __typename ... on DeletedBlob { blobId } ... on Error { message } }
}
"""
CALLBACK_BY_ID = f"query ($id: ID!) {{ webhookDelivery(id: $id) {{ {CALLBACK} }} }}"
FOLLOW = "subscription ($id: ID!) { blobEvents(filter: {blobIds: [$id]}) { kind } }"
DISABLED = "{ disabledWebhookEndpoints { url } }"
ENABLE = "mutation ($url: Url!) { enableWebhookEndpoint(url: $url) { __typename } }"
CAT = photo("chelsea.png")


def blob_now(cloud: Cloud, key: str, blob_id: str) -> Any:
    return cloud.graphql(key, BLOB, id=blob_id)["blob"]


def test_the_whole_way(
    cloud: Cloud, key: str, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """From createUpload to a signed webhook, and the blob is found by its labels."""
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    assert target["method"] == "PUT"
    assert cloud.put(target, CAT) == 200
    assert cloud.carry("Uploads", "labeller") == 1

    blob = blob_now(cloud, key, blob_id)
    assert (blob["status"], blob["failure"]) == ("LABELLED", None)
    assert (blob["width"], blob["height"], blob["sizeBytes"]) == (451, 300, len(CAT))
    nothing: dict[str, Any] = {"parents": [], "aliases": [], "categories": [], "instances": []}
    box = {"left": 0.25, "top": 0.0, "width": 0.5, "height": 1.0}
    assert blob["labels"] == [
        {"name": "Animal", "confidence": 99.0, **nothing},
        {
            "name": "Cat",
            "confidence": 97.5,
            "parents": ["Animal"],
            "aliases": ["Kitty"],
            "categories": ["Animals and Pets"],
            "instances": [{"confidence": 96.0, "boundingBox": box}],
        },
    ]
    assert blob["createdAt"] <= blob["labelledAt"]
    assert cloud.get(blob["downloadUrl"]) == CAT

    assert cloud.notify() == 1
    received = receiver.wait_for(lambda _: True)
    capsys.readouterr()
    main(["webhook-secret", "--owner", "anna", "--table", cloud.ids["Table"]])
    secret = capsys.readouterr().out.strip()
    event = Webhook(secret).verify(received.body, received.headers)
    assert event["type"] == "blob.labelled"
    assert event["data"]["blob"]["id"] == blob_id
    assert [each["name"] for each in event["data"]["blob"]["labels"]] == [
        each["name"] for each in blob["labels"]
    ]
    assert blob_now(cloud, key, blob_id)["callback"] == {
        "status": "DELIVERED",
        "attempts": [{"responseStatus": 200, "errorCode": None}],
    }

    name = blob["labels"][0]["name"]
    for order in ("NEWEST", "CONFIDENCE"):
        found = cloud.graphql(key, BY_LABEL, label=name.upper(), order=order)["blobsByLabel"]
        assert [edge["node"] for edge in found["edges"]] == [{"id": blob_id, "status": "LABELLED"}]
    lists = cloud.graphql(key, LISTS, ids=[blob_id, "other"])
    assert lists["blobs"]["nodes"] == lists["labelled"]["nodes"] == [{"id": blob_id}]
    assert lists["nodes"] == [{"id": blob_id}, None]
    assert lists["labels"]["nodes"] == [
        {
            **{each: label[each] for each in ("name", "aliases", "categories")},
            "blobCount": 1,
            "cover": {"id": blob_id},
        }
        for label in blob["labels"]
    ]
    assert lists["label"] == {"name": "Cat"}

    assert cloud.notify() == 0, "one change, one webhook"
    assert len(receiver.received) == 1


def test_blobs_are_found_by_several_labels(
    cloud: Cloud, key: str, rekognition: Rekognition, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of some, one of others, none of yet others; in any case."""
    made = {}
    for names in ("Cat", "Dog", "Cat Dog"):
        blob_id, target = cloud.create_upload(key)
        cloud.put(target, CAT)
        rekognition.answer["Labels"] = [
            {"Name": name, "Confidence": 90.0} for name in ["Animal", *names.split()]
        ]
        cloud.carry("Uploads", "labeller")
        made[names] = blob_id
    cloud.notify()
    for wanted, found in [
        ({"all": ["animal", "CAT"]}, ["Cat Dog", "Cat"]),
        ({"any": ["dog", "cat"]}, ["Cat Dog", "Dog", "Cat"]),
        ({"any": ["dog", "cat"], "none": ["Cat"]}, ["Dog"]),
        ({"all": ["dog"], "any": ["cat", "cow"]}, ["Cat Dog"]),
        ({"all": ["animal", "cow"]}, []),
    ]:
        nodes = cloud.graphql(key, BY_LABELS, **wanted)["blobs"]["nodes"]
        assert [node["id"] for node in nodes] == [made[names] for names in found]
    other = made_key(cloud, capsys, "boris")
    assert cloud.graphql(other, BY_LABELS, all=["animal"])["blobs"]["nodes"] == []


def test_nobody_sees_anothers_blobs(
    cloud: Cloud, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Boris's key opens nothing of Anna's."""
    blob_id, target = cloud.create_upload(key)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    name = blob_now(cloud, key, blob_id)["labels"][0]["name"]
    other = made_key(cloud, capsys, "boris")
    assert blob_now(cloud, other, blob_id) is None
    assert cloud.graphql(other, BY_LABEL, label=name, order="NEWEST")["blobsByLabel"]["edges"] == []
    assert cloud.graphql(other, LISTS, ids=[blob_id]) == {
        "blobs": {"nodes": []},
        "labelled": {"nodes": []},
        "nodes": [None],
        "labels": {"nodes": []},
        "label": None,
    }


@pytest.mark.parametrize("authorization", [None, "Bearer lbl_unknown", "Basic YTpi", "Bearer "])
@pytest.mark.parametrize("path", ["/graphql", "/v1/blobs/01ARYZ"])
def test_without_a_valid_key_nothing_is_answered(
    cloud: Cloud, path: str, authorization: str | None
) -> None:
    """401 and an error that says what to do."""
    headers = {"authorization": authorization} if authorization else {}
    method = "POST" if path == "/graphql" else "GET"
    status, answer = cloud.http(
        method, path, {"query": "{ blobs { nodes { id } } }"}, headers=headers
    )
    assert status == 401
    if path == "/graphql":
        (error,) = answer["errors"]
        assert error["extensions"] == {"code": "UNAUTHENTICATED"}
        assert "labelling keys create" in error["message"]
    else:
        assert answer["code"] == "UNAUTHENTICATED"
        assert "labelling keys create" in answer["detail"]


def test_keys_that_are_guessed_cost_no_reads(cloud: Cloud, key: str) -> None:
    """Beyond the limit of an address; by either API. Keys that were valid before still are."""
    cloud.own["api"]["LABELLING_FAILED_KEYS_PER_MINUTE"] = "3"
    cloud.restart("api")

    def send(authorization: str | None, address: str) -> int:
        headers = {"content-type": "application/json"}
        if authorization:
            headers["authorization"] = authorization
        event = http_api_event("POST", "/graphql", headers, '{"query": "{ __typename }"}')
        event["requestContext"]["http"]["sourceIp"] = address
        status: int = cloud.invoke("api", event)["statusCode"]
        return status

    def connect(authorization: str, address: str) -> int:
        context = {
            "eventType": "CONNECT",
            "connectionId": "abc=",
            "connectedAt": 0,
            "domainName": "ws.example",
            "identity": {"sourceIp": address},
        }
        headers = {
            "Sec-WebSocket-Protocol": "graphql-transport-ws",
            "Authorization": authorization,
        }
        event = {"requestContext": context, "headers": headers}
        status: int = cloud.invoke("api", event)["statusCode"]
        return status

    def reads() -> int:
        return sum(call.operation == "GetItem" for call in cloud.calls)

    valid = f"Bearer {key}"
    assert send(valid, "203.0.113.1") == 200
    before = reads()
    guesses = [send(f"Bearer lbl_guess{number}", "203.0.113.1") for number in range(6)]
    assert guesses == [401] * 3 + [429] * 3
    assert connect("Bearer lbl_guess7", "203.0.113.1") == 401
    assert reads() == before + 3
    assert send(None, "203.0.113.1") == 429
    assert send(valid, "203.0.113.1") == 200
    assert send("Bearer lbl_guess8", "203.0.113.2") == 401
    keyless = [connect("Bearer lbl_guess9", "203.0.113.3") for _ in range(6)]
    assert keyless == [401] * 6
    assert reads() == before + 3 + 1 + 1 + 3


def test_a_revoked_key_opens_nothing(
    cloud: Cloud, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once."""
    there = ("--table", cloud.ids["Table"])
    main(["keys", "list", *there])
    key_id = capsys.readouterr().out.split()[0]
    assert main(["keys", "revoke", key_id, *there]) == 0
    assert cloud.http("POST", "/graphql", {"query": "{ __typename }"}, key=key)[0] == 401


def test_the_plain_routes_are_served_too(cloud: Cloud, key: str) -> None:
    """By the application that the embedded service has."""
    assert cloud.http("GET", "/healthz") == (200, {"status": "ok"})
    status, made = cloud.http("POST", "/v1/blobs", {"content_type": "image/png"}, key=key)
    assert status == 201
    headers = [{"name": n, "value": v} for n, v in made["upload_headers"].items()]
    assert cloud.put({"url": made["upload_url"], "headers": headers}, CAT) == 200
    cloud.carry("Uploads", "labeller")
    assert cloud.http("GET", f"/v1/blobs/{made['blob_id']}", key=key)[1]["status"] == "LABELLED"
    assert cloud.http("GET", "/nowhere", key=key)[0] == 404


def test_secrets_and_keys_are_rotated(
    cloud: Cloud, key: str, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their owner and the operator; receivers hold any of them, and nobody else's."""
    there = ("--owner", "anna", "--table", cloud.ids["Table"])
    public = []
    for _ in range(2):
        capsys.readouterr()
        assert main(["webhook-keys", "create", *there]) == 0
        public.insert(0, capsys.readouterr().out.strip())
    assert main(["webhook-secret", *there]) == 0
    secrets = [capsys.readouterr().out.strip()]
    for _ in range(2):
        rotated = cloud.graphql(key, ROTATE)["rotateWebhookSecret"]
        assert rotated["previousExpiresAt"] is not None
        secrets.insert(0, rotated["secret"])
    status, answer = cloud.http("GET", f"{KEYS_PATH}?owner=anna")
    assert status == 200
    assert [each["whpk"] for each in answer["keys"]] == public
    for other in ("boris", "nobody"):
        assert cloud.http("GET", f"{KEYS_PATH}?owner={other}") == (200, {"keys": []})
    assert cloud.http("GET", KEYS_PATH, key=key)[0] == 422

    _, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    received = receiver.wait_for(lambda _: True)
    assert received.headers["webhook-signature"].count("v1,") == 3
    for secret in secrets:
        assert Webhook(secret).verify(received.body, received.headers)
    for each in public:
        verify_v1a(each, received.headers, received.body)


def test_an_upload_over_the_limit_leaves_no_bytes(cloud: Cloud, key: str) -> None:
    """Neither as an old version. After a lower limit, a picture that was labelled stays."""
    limit = cloud.own["labeller"]
    limit["LABELLING_MAX_UPLOAD_BYTES"] = str(len(CAT))
    cloud.restart("labeller")
    ids = []
    for content in (CAT, CAT + b" "):
        blob_id, target = cloud.create_upload(key)
        cloud.put(target, content)
        ids.append(blob_id)
    cloud.carry("Uploads", "labeller")
    fits, too_large = (blob_now(cloud, key, each) for each in ids)
    assert (fits["status"], too_large["failure"]["code"]) == ("LABELLED", "TOO_LARGE")

    limit["LABELLING_MAX_UPLOAD_BYTES"] = "1"
    cloud.restart("labeller")
    relabel(cloud, key, ids[0])
    cloud.carry("Uploads", "labeller")
    assert blob_now(cloud, key, ids[0])["failure"]["code"] == "TOO_LARGE"
    found = cloud.s3.list_object_versions(Bucket=cloud.ids["Bucket"], Prefix="originals/")
    assert [each["Key"] for each in found["Versions"]] == [f"originals/anna/{ids[0]}"]
    assert "DeleteMarkers" not in found


def test_s3_bounds_every_upload_where_sizes_are_required(cloud: Cloud, key: str) -> None:
    """By the length that is signed into each URL."""
    cloud.own["api"]["LABELLING_REQUIRE_SIZE_BYTES"] = "yes"
    cloud.restart("api")
    refused = cloud.graphql(key, CREATE, input={"contentType": "PNG"})["createUpload"]
    assert refused["__typename"] == "InvalidInput"
    assert refused["message"] == "sizeBytes: is required: give the size of the file"
    _, target = cloud.create_upload(key, sizeBytes=len(CAT))
    (signed,) = parse_qs(urlsplit(target["url"]).query)["X-Amz-SignedHeaders"]
    assert "content-length" in signed.split(";")


def test_a_body_that_is_too_long_is_refused(cloud: Cloud, key: str) -> None:
    """Before anything reads it."""
    status, answer = cloud.http("POST", "/graphql", "x" * 1_000_001, key=key)
    assert (status, answer["errors"][0]["extensions"]["code"]) == (413, "TOO_LARGE")
    status, answer = cloud.http("POST", "/v1/blobs", "x" * 1_000_001, key=key)
    assert (status, answer["status"], answer["code"]) == (413, 413, "TOO_LARGE")


def test_a_masked_errors_id_is_the_one_in_the_log(
    cloud: Cloud, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lambda's id of the request, by which CloudWatch finds all its lines."""

    def fail(*_: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(DynamoBlobRepository, "find", fail)
    capsys.readouterr()
    _, answer = cloud.http("POST", "/graphql", {"query": "{ blob(id: 1) { id } }"}, key=key)
    request_id = answer["errors"][0]["extensions"]["requestId"]
    assert request_id == f"request-{len(cloud.invoked)}"
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = [line for line in lines if line["level"] == "ERROR"]
    assert "hunter2" in told["exception"]
    assert told["function_request_id"] == told["request_id"] == request_id


def test_what_graphql_executes_is_a_matter_of_settings(
    cloud: Cloud, key: str, tmp_path: Path
) -> None:
    """The schema kept from clients, less cost, or only what the operator lists."""
    asked = ("{ __schema { queryType { name } } }", "{ blobs { nodes { id } } }", "{ __typename }")
    listed = tmp_path / "documents.json"
    listed.write_text(json.dumps({hash_of(asked[2]): asked[2]}))
    for settings, executed in (
        ({}, (True, True, True)),
        ({"LABELLING_INTROSPECTION": "no"}, (False, True, True)),
        ({"LABELLING_MAX_COST": "10"}, (True, False, True)),
        ({"LABELLING_ALLOWED_DOCUMENTS": str(listed)}, (False, False, True)),
    ):
        cloud.own["api"] |= settings
        cloud.restart("api")
        answers = [cloud.http("POST", "/graphql", {"query": query}, key=key) for query in asked]
        assert tuple("data" in answer for _, answer in answers) == executed
        for name in settings:
            del cloud.own["api"][name]


def test_size_and_digest_are_signed_where_they_are_given(cloud: Cloud, key: str) -> None:
    """Other bytes don't fit the URL."""
    digest = base64.b64encode(hashlib.sha256(CAT).digest()).decode()
    _, target = cloud.create_upload(key, sizeBytes=len(CAT), sha256=digest)
    assert cloud.put(target, CAT) == 200
    with pytest.raises(AssertionError, match="signature does not match"):
        cloud.put(target, CAT + b"more")
    with pytest.raises(AssertionError, match="signature does not match"):
        cloud.put(target, CAT, **{"x-amz-checksum-sha256": "AAAA"})
    with pytest.raises(AssertionError, match="signature does not match"):
        cloud.put(target, CAT, **{"Content-Type": "image/jpeg"})


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


def test_secrets_are_encrypted_with_the_keys_of_the_deployment(
    cloud: Cloud,
    key: str,
    receiver: Receiver,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The api and the notifier share them: one stores a new secret, the other signs with it."""
    assert main(["encryption", "create-key"]) == 0
    name, value = "LABELLING_ENCRYPTION_KEYS", capsys.readouterr().out.strip()
    for function in ("api", "notifier"):
        cloud.own[function][name] = value
    monkeypatch.setenv(name, value)
    secret = cloud.graphql(key, ROTATE)["rotateWebhookSecret"]["secret"]
    _, target = cloud.create_upload(key, callbackUrl=receiver.url)
    cloud.put(target, CAT)
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    received = receiver.wait_for(lambda _: True)
    assert Webhook(secret).verify(received.body, received.headers)
    capsys.readouterr()
    assert main(["webhook-secret", "--owner", "anna", "--table", cloud.ids["Table"]]) == 0
    assert capsys.readouterr().out.split()[0] == secret
    stored = str(cloud.dynamodb.scan(TableName=cloud.ids["Table"])["Items"])
    assert "enc1." in stored
    assert "whsec_" not in stored


def test_use_of_a_key_is_stored_once_an_hour(
    cloud: Cloud, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the first container that sees it; new containers find it stored."""
    seen = []
    for _ in range(2):
        cloud.restart("api")
        cloud.graphql(key, "{ __typename }")
        capsys.readouterr()
        assert main(["keys", "list", "--json", "--table", cloud.ids["Table"]]) == 0
        (record,) = json.loads(capsys.readouterr().out)
        seen.append(record["last_used_at"])
    assert seen[0] is not None
    assert seen[1] == seen[0]


def test_a_picture_put_into_an_inbox_becomes_a_blob(cloud: Cloud, key: str) -> None:
    """By any S3 client, under any name; it is moved and labelled once."""
    bucket = cloud.ids["Bucket"]
    names = ["inbox/anna/holiday/My cat + friends.png", "inbox/anna/ünï%20code.PNG"]
    for name in names:
        cloud.s3.put_object(Bucket=bucket, Key=name, Body=CAT)
    told = cloud.drain("Uploads")
    for record in [*told, *told]:  # each event twice, as SQS may
        cloud.invoke("labeller", {"Records": [record]})
    assert cloud.carry("Uploads", "labeller") == 2
    nodes = cloud.graphql(key, LISTS, ids=[])["labelled"]["nodes"]
    assert len(nodes) == 2
    assert "Contents" not in cloud.s3.list_objects_v2(Bucket=bucket, Prefix="inbox/")
    for node in nodes:
        blob = blob_now(cloud, key, node["id"])
        assert (blob["status"], blob["contentType"]) == ("LABELLED", "PNG")
        assert cloud.get(blob["downloadUrl"]) == CAT


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


def test_uploads_that_never_came_expire(cloud: Cloud, key: str, monkeypatch: Any) -> None:
    """By the hourly schedule, once their time is over."""
    blob_id, _ = cloud.create_upload(key)
    cloud.schedule("labeller")
    assert blob_now(cloud, key, blob_id)["status"] == "AWAITING_UPLOAD"
    expire_all(cloud)
    assert blob_now(cloud, key, blob_id)["status"] == "EXPIRED"


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


def test_an_object_without_an_owner_is_rejected_from_the_inbox(cloud: Cloud, key: str) -> None:
    """It moves, with the reason; clutter of desktops stays."""
    bucket = cloud.ids["Bucket"]
    for name in ("inbox/cat.png", "inbox/anna/.DS_Store"):
        cloud.s3.put_object(Bucket=bucket, Key=name, Body=CAT)
    cloud.carry("Uploads", "labeller")
    left = cloud.s3.list_objects_v2(Bucket=bucket, Prefix="inbox/")["Contents"]
    assert [each["Key"] for each in left] == ["inbox/anna/.DS_Store"]
    moved = cloud.s3.get_object(Bucket=bucket, Key="rejected/cat.png")
    assert "names no owner" in moved["Metadata"]["reason"]
    assert moved["Body"].read() == CAT
    assert cloud.graphql(key, LISTS, ids=[])["labelled"]["nodes"] == []


def test_a_picture_put_again_into_an_inbox_is_another(cloud: Cloud, key: str) -> None:
    """Even if it came before the first was taken: no bytes are lost."""
    bucket, name = cloud.ids["Bucket"], "inbox/anna/latest.png"
    contents = [CAT, photo("coffee.png")]
    for content in contents:
        cloud.s3.put_object(Bucket=bucket, Key=name, Body=content)
    cloud.carry("Uploads", "labeller")
    cloud.carry("Uploads", "labeller")
    nodes = cloud.graphql(key, LISTS, ids=[])["labelled"]["nodes"]
    urls = [blob_now(cloud, key, node["id"])["downloadUrl"] for node in nodes]
    assert sorted(cloud.get(url) for url in urls) == sorted(contents)


def test_a_test_event_is_sent_before_any_upload(cloud: Cloud, key: str, receiver: Receiver) -> None:
    """At once, signed like any other; what came of it is seen by its id."""
    sent = cloud.graphql(key, SEND_TEST, url=receiver.url)["sendTestWebhook"]["delivery"]
    assert (sent["status"], sent["attempts"]) == ("PENDING", [])
    assert cloud.carry("Hints", "notifier") == 1
    (received,) = receiver.received
    assert received.headers["webhook-id"] == sent["id"]
    assert json.loads(received.body)["type"] == "webhook.test"
    shown = cloud.graphql(key, CALLBACK_BY_ID, id=sent["id"])["webhookDelivery"]
    assert shown["status"] == "DELIVERED"


def test_an_endpoint_that_is_gone_is_left_alone_until_it_is_enabled(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    """What was to go there is cancelled, and can be sent once it is back."""
    receiver.answer = lambda _: 410
    blobs = []
    for _ in range(2):
        blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
        cloud.put(target, CAT)
        cloud.carry("Uploads", "labeller")
        cloud.notify()
        blobs.append(blob_id)
    assert len(receiver.received) == 1
    assert cloud.graphql(key, DISABLED)["disabledWebhookEndpoints"] == [{"url": receiver.url}]
    for blob_id, error in zip(blobs, ("STATUS", "DISABLED"), strict=True):
        shown = blob_now(cloud, key, blob_id)["callback"]
        assert (shown["status"], shown["attempts"][0]["errorCode"]) == ("GAVE_UP", error)
    receiver.answer = lambda _: 200
    assert cloud.graphql(key, ENABLE, url=receiver.url)["enableWebhookEndpoint"] == {
        "__typename": "EnabledWebhookEndpoint"
    }
    for blob_id in blobs:
        cloud.graphql(key, REDELIVER, id=f"msg_{blob_id}")
    assert cloud.carry("Hints", "notifier") == 2
    assert {blob_now(cloud, key, each)["callback"]["status"] for each in blobs} == {"DELIVERED"}


def test_an_endpoint_has_so_many_attempts_at_a_time(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    """What comes beyond them is sent as they end."""
    claims = fill(cloud, receiver.url)
    waiting = cloud.graphql(key, SEND_TEST, url=receiver.url)["sendTestWebhook"]["delivery"]
    assert cloud.carry("Hints", "notifier") == 0
    let_one_end(cloud, claims.pop())
    cloud.graphql(key, SEND_TEST, url=receiver.url)
    assert cloud.carry("Hints", "notifier") == 1
    assert cloud.carry("Hints", "notifier") == 1
    assert receiver.received[1].headers["webhook-id"] == waiting["id"]


def test_asked_again_under_its_key_an_upload_is_the_same(cloud: Cloud, key: str) -> None:
    """Before its bytes arrived and after; another input gets the first one's blob id."""
    wish = {"idempotencyKey": "order 66", "maxLabels": 5}
    (blob_id, _), (same, target) = (cloud.create_upload(key, **wish) for _ in range(2))
    assert same == blob_id
    assert cloud.put(target, CAT) == 200
    cloud.carry("Uploads", "labeller")
    same, none = cloud.create_upload(key, **wish)
    assert (same, none) == (blob_id, None)
    assert blob_now(cloud, key, same)["status"] == "LABELLED"
    assert cloud.put(target, CAT) == 412
    answer = create(cloud, key, idempotencyKey="order 66")
    assert (answer["__typename"], answer["blobId"]) == ("IdempotencyKeyReused", blob_id)
    assert len(cloud.graphql(key, LISTS, ids=[])["blobs"]["nodes"]) == 1


def create(cloud: Cloud, key: str, **wish: Any) -> Any:
    return cloud.graphql(key, CREATE, input={"contentType": "PNG", **wish})["createUpload"]


def set_api(cloud: Cloud, **settings: str) -> None:
    """Deploy the API with other settings."""
    api = cloud.template["Resources"]["ApiLambdaFunction"]["Properties"]
    api["Environment"]["Variables"].update(settings)
    cloud.restart("api")


def test_an_owner_has_no_more_uploads_than_set(
    cloud: Cloud, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a minute, and open at a time; each refusal says when to ask again."""
    set_api(cloud, LABELLING_UPLOADS_PER_MINUTE="3")
    asked = [create(cloud, key) for _ in range(5)]
    made = [each["blob"]["id"] for each in asked if each["__typename"] == "CreatedUpload"]
    if len(made) == 3:  # unless a minute began in between
        assert asked[-1]["__typename"] == "QuotaExceeded"
        assert from_text(asked[-1]["retryAt"]) <= utc_now() + timedelta(minutes=1)
    other = made_key(cloud, capsys, "boris")
    assert create(cloud, other)["__typename"] == "CreatedUpload"
    set_api(cloud, LABELLING_UPLOADS_PER_MINUTE="0", LABELLING_OPEN_UPLOADS=str(len(made)))
    refused = create(cloud, key)
    assert refused["__typename"] == "QuotaExceeded"
    assert f"{len(made)} uploads await their bytes" in refused["message"]
    assert refused["retryAt"] > to_text(utc_now())
    delete(cloud, key, made[0])
    time.sleep(0.01)
    assert create(cloud, key)["__typename"] == "CreatedUpload"


def relabel(cloud: Cloud, key: str, blob_id: str) -> Any:
    return cloud.graphql(key, RELABEL, id=blob_id)["relabelBlob"]


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


def delete(cloud: Cloud, key: str, blob_id: str) -> str:
    return str(cloud.graphql(key, DELETE, id=blob_id)["deleteBlob"]["__typename"])


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


def half_an_hour_passes(cloud: Cloud, blob_id: str) -> None:
    """Put a deletion back in time."""
    cloud.dynamodb.update_item(
        TableName=cloud.ids["Table"],
        Key={"pk": {"S": f"blob#{blob_id}"}, "sk": {"S": "deleted"}},
        UpdateExpression="SET #at = :at",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":at": {"S": to_text(utc_now() - timedelta(minutes=31))}},
    )


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


def fill(cloud: Cloud, url: str) -> list[Claim]:
    """Have others hold every lease of an endpoint of Anna's."""
    deliveries = DynamoDeliveryRepository(Table(cloud.dynamodb, cloud.ids["Table"]))
    claims = []
    for number in range(MAX_PER_ENDPOINT):
        now = utc_now()
        name = delivery_id(str(number), 1)
        deliveries.add(Delivery(name, str(number), "anna", url, b"{}", now, now))
        claim = deliveries.claim(name, now, timedelta(minutes=1))
        assert claim is not None
        claims.append(claim)
    return claims


def let_one_end(cloud: Cloud, claim: Claim) -> None:
    deliveries = DynamoDeliveryRepository(Table(cloud.dynamodb, cloud.ids["Table"]))
    done = Attempt(1, utc_now(), utc_now(), 200)
    assert deliveries.finish(claim, done, Verdict(DeliveryState.DELIVERED))


def expire_all(cloud: Cloud) -> None:
    """Have the time of every blob that waits be over."""
    labeller = cloud.template["Resources"]["LabellerLambdaFunction"]["Properties"]
    labeller["Environment"]["Variables"]["LABELLING_UPLOAD_HOURS"] = "0"
    cloud.restart("labeller")
    cloud.schedule("labeller")


def test_a_function_with_a_setting_wrong_says_so(cloud: Cloud, key: str) -> None:
    """By name."""
    variables = cloud.template["Resources"]["ApiLambdaFunction"]["Properties"]["Environment"][
        "Variables"
    ]
    variables["LABELLING_MAX_UPLOAD_BYTES"] = "many"
    cloud.restart("api")
    with pytest.raises(BadSetting, match="LABELLING_MAX_UPLOAD_BYTES is 'many'"):
        cloud.http("GET", "/healthz")


class Eye:
    """A detector of another package."""

    def __init__(self, options: Options) -> None:
        self.name = f"eye/{options.max_pixels}"

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        with picture.open() as stream:
            size = len(stream.read())
        assert size == picture.size
        return Detection((Label("Iris", 88.0),), 4, 3, self.name)


def test_another_packages_detector_labels(
    cloud: Cloud, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By module and factory; Rekognition isn't asked, and whatever the store tells is handed on."""
    monkeypatch.setitem(sys.modules, "eyes", SimpleNamespace(Eye=Eye))  # type: ignore[misc]
    cloud.own["labeller"]["LABELLING_DETECTOR"] = "eyes:Eye"
    cloud.restart("labeller")
    blob_id, target = cloud.create_upload(key)
    cloud.put(target, CAT)
    assert cloud.carry("Uploads", "labeller") == 1
    assert [label["name"] for label in blob_now(cloud, key, blob_id)["labels"]] == ["Iris"]
    blobs = DynamoBlobRepository(Table(cloud.dynamodb, cloud.ids["Table"]))
    assert blobs.find("anna", [blob_id])[blob_id].detector == "eye/100000000"


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


def test_the_table_is_the_one_that_the_contract_is_tested_on(compiled: Template) -> None:
    """Keys, indexes and projections."""
    table = compiled["Resources"]["Table"]["Properties"]
    wanted = table_definition()
    for name in wanted.keys() - {"AttributeDefinitions"}:
        assert table[name] == wanted[name]
    attributes = [each["AttributeDefinitions"] for each in (table, wanted)]
    assert sorted(attributes[0], key=str) == sorted(attributes[1], key=str)


ONE_LABEL = """mutation {
  setLabelPolicy(input: {expectedVersion: 0, maxLabels: 1}) {
    ... on LabelPolicySet { policy { version } }
  }
}"""


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
    alike = "query ($sha256: String) { blobs(filter: {sha256: $sha256}) { nodes { id } } }"
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
    relabel(cloud, key, blob_id)
    cloud.carry("Uploads", "labeller")
    for node in cloud.graphql(key, LISTS, ids=[])["blobs"]["nodes"]:
        delete(cloud, key, node["id"])
        half_an_hour_passes(cloud, node["id"])
    for upload in uploads:
        cloud.invoke("labeller", {"Records": [upload]})
    cloud.notify()
    cloud.schedule("labeller")
    listen_for_a_while(cloud, key)


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
