"""Who may do what with the stack: keys, scopes, settings and secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from api.graphql.execution.persisted import hash_of
from core.repositories.dynamodb.blobs import DynamoBlobRepository
from embedded.cli.main import main
from tests.support.aws.cloud import Cloud, made_key
from tests.support.aws.http_api import http_api_event
from tests.support.aws.stack_operations import (
    BY_LABEL,
    CAT,
    KEYS_PATH,
    LISTS,
    ROTATE,
    blob_now,
)
from tests.support.webhooks.ed25519 import verify_v1a
from tests.support.webhooks.receiver import Receiver


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
