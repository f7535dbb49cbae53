"""The trace of an upload through the running service, received by OTLP over HTTP."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.support.images.photos import photo
from tests.support.services.process import CREATE, ServiceProcess, put
from tests.support.spans import CLIENT_SPAN, CLIENT_TRACE, TRACEPARENT, OtlpReceiver
from tests.support.waiting import PATIENCE
from tests.support.webhooks.receiver import Receiver

CAT = ("--detector", "tests.support.images.detectors:create")
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "50"}  # milliseconds


def test_upload_has_one_trace_from_its_creation_to_its_webhook(
    tmp_path: Path, receiver: Receiver
) -> None:
    """Also where another process continues the upload; the receiver can add its own spans."""
    with OtlpReceiver() as collector:
        flags = ("--otlp-endpoint", collector.url, "--webhook-traceparent", "yes", *CAT)
        first = ServiceProcess(tmp_path, *flags, **SOON).start()
        wanted = {"contentType": "PNG", "callbackUrl": receiver.url}
        body = {"query": CREATE, "variables": {"input": wanted}}
        headers = {"traceparent": TRACEPARENT}
        answer = httpx.post(
            f"{first.url}/graphql", json=body, headers=headers, timeout=PATIENCE
        ).json()
        blob_id = answer["data"]["createUpload"]["blob"]["id"]
        assert first.stop() == 0  # what ended is sent before the end

        second = ServiceProcess(tmp_path, *flags, **SOON).start()
        renewed = second.graphql(RENEW, id=blob_id)["renewUpload"]["target"]
        put(renewed, photo("chelsea.png"))
        received = receiver.wait_for(lambda each: blob_id in each.body.decode())
        spans = collector.of_trace(CLIENT_TRACE, "PUT", "label", "detect", "webhook")
        while second.logs.get(timeout=PATIENCE).get("trace_id") != CLIENT_TRACE:
            pass
        assert second.stop() == 0

    created = spans["createUpload"]
    assert spans["POST /graphql"].parent == CLIENT_SPAN
    assert created.parent == spans["POST /graphql"].id
    for name in ("PUT", "label", "webhook"):
        assert spans[name].parent == created.id
        assert spans[name].attributes["labelling.blob.id"] == blob_id
    assert spans["detect"].parent == spans["label"].id
    assert spans["label"].attributes["labelling.status"] == "LABELLED"
    assert spans["webhook"].attributes["http.response.status_code"] == 200
    assert received.headers["traceparent"] == f"00-{CLIENT_TRACE}-{spans['webhook'].id}-01"
    assert not any(each.failed for each in spans.values())


RENEW = """
mutation ($id: ID!) {
  renewUpload(blobId: $id) {
    ... on RenewedUpload { target { url method headers { name value } } }
  }
}
"""
