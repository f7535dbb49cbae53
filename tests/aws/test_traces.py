"""The trace of an upload on AWS: the real handlers, on imitated AWS, and OTLP over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.runtime import aws_lambda
from tests.support.aws.cloud import CREATE, Cloud
from tests.support.images.photos import photo
from tests.support.spans import CLIENT_SPAN, CLIENT_TRACE, TRACEPARENT, OtlpReceiver
from tests.support.webhooks.receiver import Receiver


@pytest.fixture
def collector() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver
    tracer = aws_lambda._tracers.pop(receiver.url, None)
    if tracer is not None:
        tracer.close()


def test_upload_has_one_trace_from_its_creation_to_each_webhook_attempt(
    cloud: Cloud, key: str, receiver: Receiver, collector: OtlpReceiver
) -> None:
    """Every invocation ends by sending its spans: each is there when the handler has returned."""
    for function in ("api", "labeller", "notifier"):
        cloud.own[function]["LABELLING_OTLP_ENDPOINT"] = collector.url
        cloud.restart(function)
    cloud.own["notifier"]["LABELLING_WEBHOOK_TRACEPARENT"] = "yes"
    content = {"contentType": "PNG", "callbackUrl": receiver.url}
    status, answer = cloud.http(
        "POST",
        "/graphql",
        {"query": CREATE, "variables": {"input": content}},
        key=key,
        headers={"traceparent": TRACEPARENT},
    )
    assert status == 200
    blob_id = answer["data"]["createUpload"]["blob"]["id"]
    assert cloud.put(answer["data"]["createUpload"]["target"], photo("chelsea.png")) == 200
    cloud.carry("Uploads", "labeller")
    receiver.answer = lambda _: 500
    cloud.notify()
    receiver.answer = lambda _: 200
    cloud.carry("Hints", "notifier")

    spans = [each for each in collector.spans if each.trace == CLIENT_TRACE]
    by_name = {each.name: each for each in spans}
    request, created = by_name["POST /graphql"], by_name["createUpload"]
    label, detect = by_name["label"], by_name["detect"]
    assert request.parent == CLIENT_SPAN
    assert created.parent == request.id
    assert label.parent == created.id
    assert detect.parent == label.id
    assert label.attributes["labelling.blob.id"] == blob_id
    attempts = [each for each in spans if each.name == "webhook"]
    assert [each.parent for each in attempts] == [created.id] * len(attempts)
    assert [each.headers["traceparent"][36:52] for each in receiver.received] == [
        each.id for each in attempts
    ]
    assert attempts[0].failed


def test_stack_without_an_endpoint_has_no_traces(
    cloud: Cloud, key: str, receiver: Receiver
) -> None:
    blob_id, target = cloud.create_upload(key, callbackUrl=receiver.url)
    assert cloud.put(target, photo("chelsea.png")) == 200
    cloud.carry("Uploads", "labeller")
    cloud.notify()
    (received,) = receiver.received
    assert blob_id in received.body.decode()
    assert "traceparent" not in received.headers
    assert "traceparent" not in str(cloud.dynamodb.scan(TableName=cloud.ids["Table"])["Items"])
