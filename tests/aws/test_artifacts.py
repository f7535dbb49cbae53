"""The artifacts themselves, run as Lambda runs them: read-only, with its own runtime client."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from core.domain.clock import utc_now
from core.domain.delivery import Delivery, delivery_id
from core.domain.owner import new_secret, with_new_key
from core.repositories.dynamodb.deliveries import DynamoDeliveryRepository
from core.repositories.dynamodb.owners import DynamoOwnerRepository
from core.repositories.dynamodb.table import Table
from core.repositories.ports.owners import update_owner
from notifier.signing import new_key
from tests.support.aws.artifacts import (
    FUNCTIONS,
    Artifacts,
    ImitatedCloud,
    http_event,
    imitated_cloud,
    sqs_event,
)
from tests.support.aws.lambda_runtime import InvocationFailed, LambdaProcess, contents
from tests.support.images.photos import as_jpeg, photo
from tests.support.services.issuer import AUDIENCE, Issuer
from tests.support.webhooks.ed25519 import verify_v1a
from tests.support.webhooks.receiver import Receiver


@pytest.fixture(scope="module")
def cloud() -> Iterator[ImitatedCloud]:
    with imitated_cloud() as cloud:
        yield cloud


def start(artifacts: Artifacts, cloud: ImitatedCloud, function: str) -> LambdaProcess:
    return artifacts.start(
        f"{function}.lambda_handler.handler", artifacts.folder(function), cloud.environ(function)
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_an_artifact_runs_and_changes_nothing_of_itself(
    artifacts: Artifacts, cloud: ImitatedCloud, function: str
) -> None:
    """With nothing but itself and what the runtime brings."""
    before = contents(artifacts.folder(function))
    with start(artifacts, cloud, function) as process:
        for _ in range(2):
            process.invoke(cloud.first_event(function))
        lines = [json.loads(line) for line in process.output.splitlines()]
    assert contents(artifacts.folder(function)) == before
    assert {line["service"] for line in lines} <= {function}
    told = [line for line in lines if "_aws" not in line]
    assert {line["function_request_id"] for line in told} <= {"request-1", "request-2"}


def test_the_api_answers(artifacts: Artifacts, cloud: ImitatedCloud) -> None:
    """A mutation, a list, a plain route; and nobody without a key."""
    with start(artifacts, cloud, "api") as process:
        answer = process.invoke(
            http_event(
                "mutation { createUpload(input: {contentType: PNG, sizeBytes: 5}) {"
                " ... on CreatedUpload { blob { id } target { url headers { name } } } } }"
            )
        )
        assert answer["statusCode"] == 200, process.output
        made = json.loads(answer["body"])["data"]["createUpload"]
        assert "X-Amz-Signature=" in made["target"]["url"]
        blobs = process.invoke(http_event("{ blobs { nodes { id } } }"))
        assert made["blob"] in json.loads(blobs["body"])["data"]["blobs"]["nodes"]
        plain = http_event("")
        plain["requestContext"]["http"] |= {"method": "GET", "path": "/healthz"}
        assert json.loads(process.invoke(plain)["body"]) == {"status": "ok"}
        keyless = http_event("{ __typename }")
        del keyless["headers"]["authorization"]
        assert process.invoke(keyless)["statusCode"] == 401


def test_the_api_takes_tokens_and_sockets(artifacts: Artifacts, cloud: ImitatedCloud) -> None:
    """The libraries that check signatures are there, and what answers WebSocket clients."""
    issuer = Issuer()
    issuer.add("two", "ES256")
    issuer.add("three", "EdDSA")
    environ = cloud.environ("api") | {
        "LABELLING_OIDC_ISSUER": issuer.url,
        "LABELLING_OIDC_AUDIENCE": AUDIENCE,
        "LABELLING_CONNECTIONS_TABLE": "connections",
        "LABELLING_WEBSOCKET_URL": "wss://live.example/dev",
    }
    folder = artifacts.folder("api")
    try:
        with artifacts.start("api.lambda_handler.handler", folder, environ) as process:
            for key in ("one", "two", "three"):
                event = http_event("{ blobs { nodes { id } } }")
                event["headers"]["authorization"] = f"Bearer {issuer.token(key)}"
                answer = process.invoke(event)
                assert json.loads(answer["body"])["data"] == {"blobs": {"nodes": []}}, key
            event["headers"]["authorization"] = f"Bearer {issuer.token('one')[:-4]}"
            assert process.invoke(event)["statusCode"] == 401
            about = {
                "eventType": "CONNECT",
                "connectionId": "L0SM9cOFvHcCIhw=",
                "identity": {"sourceIp": "203.0.113.9"},
                "connectedAt": 1,
                "domainName": "live.example",
            }
            headers = {"Sec-WebSocket-Protocol": "graphql-transport-ws"}
            opened = process.invoke({"requestContext": about, "headers": headers})
            assert opened == {"statusCode": 200, "headers": headers}
    finally:
        issuer.close()


def tiny() -> bytes:
    """A picture that Rekognition takes only after it was enlarged."""
    out = io.BytesIO()
    Image.new("RGBA", (20, 10), (255, 0, 0, 128)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("content", [as_jpeg(photo("chelsea.png")), tiny()])
def test_the_labeller_labels(artifacts: Artifacts, cloud: ImitatedCloud, content: bytes) -> None:
    """What lies in an inbox becomes a blob; its own upload is then labelled.

    One that Rekognition doesn't take as it is is converted by the Pillow in the artifact.
    """
    before = keys(cloud)
    cloud.s3.put_object(Bucket="pictures", Key="inbox/anna/cat", Body=content)

    def arrived(key: str) -> dict[str, Any]:
        stored = {"key": key, "size": len(content), "eTag": hashlib.sha256(content).hexdigest()}
        record = {
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-31T12:00:00.000Z",
            "s3": {"bucket": {"name": "pictures"}, "object": stored},
        }
        return sqs_event(json.dumps({"Records": [record]}))

    with start(artifacts, cloud, "labeller") as process:
        done: dict[str, Any] = {"batchItemFailures": []}
        assert process.invoke(arrived("inbox/anna/cat")) == done
        (key,) = keys(cloud) - before
        assert key.startswith("originals/anna/")
        assert process.invoke(arrived(key)) == done, process.output
        output = process.output
    blob_id = key.rpartition("/")[2]
    item = cloud.dynamodb.get_item(
        TableName="records", Key={"pk": {"S": f"blob#{blob_id}"}, "sk": {"S": "blob"}}
    )["Item"]
    assert item["status"] == {"S": "LABELLED"}, output


def keys(cloud: ImitatedCloud) -> set[str]:
    found = cloud.s3.list_objects_v2(Bucket="pictures").get("Contents", ())
    return {each["Key"] for each in found}


def test_the_labeller_says_which_detectors_it_can_not_run(
    artifacts: Artifacts, cloud: ImitatedCloud
) -> None:
    """There is no onnxruntime in the artifact."""
    environ = cloud.environ("labeller") | {"LABELLING_DETECTOR": "onnx"}
    with (
        artifacts.start(
            "labeller.lambda_handler.handler", artifacts.folder("labeller"), environ
        ) as process,
        pytest.raises(InvocationFailed, match="zip doesn't contain onnxruntime"),
    ):
        process.invoke(cloud.first_event("labeller"))


def test_the_notifier_signs_in_both_ways(artifacts: Artifacts, cloud: ImitatedCloud) -> None:
    """With the libsodium in the artifact, which an owner without keys never loads."""
    table = Table(cloud.dynamodb, "records")
    key, now = new_key(), utc_now()
    owners = DynamoOwnerRepository(table, new_secret)
    update_owner(owners, "boris", lambda boris: with_new_key(boris, key, now))
    environ = cloud.environ("notifier") | {"LABELLING_PRIVATE_CALLBACKS": "yes"}
    with (
        contextlib.closing(Receiver()) as receiver,
        artifacts.start(
            "notifier.lambda_handler.handler", artifacts.folder("notifier"), environ
        ) as process,
    ):
        for owner in ("anna", "boris"):
            each = delivery_id(owner, 3)
            url = f"{receiver.url}/{owner}"
            DynamoDeliveryRepository(table).add(Delivery(each, owner, owner, url, b"{}", now, now))
            process.invoke(sqs_event(json.dumps({"delivery_id": each})))
        assert len(receiver.received) == 2, process.output
    plain, both = receiver.received
    assert plain.headers["webhook-signature"].count(",") == 1
    assert both.headers["webhook-signature"].count(",") == 2
    verify_v1a(key.public, both.headers, both.body)


def test_a_function_that_can_not_start_says_why(artifacts: Artifacts, cloud: ImitatedCloud) -> None:
    """A setting that is missing is named."""
    environ = cloud.environ("notifier") | {"LABELLING_TABLE": ""}
    with (
        artifacts.start(
            "notifier.lambda_handler.handler", artifacts.folder("notifier"), environ
        ) as process,
        pytest.raises(InvocationFailed, match="LABELLING_TABLE is not set"),
    ):
        process.invoke(cloud.first_event("notifier"))
