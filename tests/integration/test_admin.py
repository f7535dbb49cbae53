"""The operator's routes, over a whole service and what really happens in it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import httpx
import jsonschema
import pytest
from openapi_spec_validator import validate

from core.domain.api_key import hash_key, id_of_key, new_key
from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.domain.scope import ALL_SCOPES, Scope
from core.repositories.ports.audit import AuditAction
from core.repositories.ports.owners import ApiKey
from embedded.cli.main import main
from embedded.http.admin import Admin
from embedded.http.admin_openapi import OPERATIONS, QUEUES, admin_document
from embedded.service import Service
from embedded.settings import Settings
from labeller.detectors.base import Detector
from tests.support.images.detectors import CAT, ScriptedDetector, thumbnail_here
from tests.support.services.app_client import AppClient
from tests.support.waiting import PATIENCE, wait_until
from tests.support.webhooks.receiver import Receiver

BASE = "http://127.0.0.1:8000"
OPERATOR = frozenset({Scope.OPERATOR})
READS = (
    *("status", "findings", "owners", "keys", "endpoints"),
    *("deliveries/exhausted", "dead-letters/uploads"),
)
CHANGES = (
    *("dead-letters/uploads/retry", "dead-letters/uploads/1/retry"),
    *("dead-letters/uploads/1/discard", "deliveries/msg_1_1/redeliver", "keys/0123/revoke"),
    "endpoints/enable?owner=anna&url=https://example.org/",
)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Open a service, and close it at the end."""
    at_hand: list[Service] = []

    def start(
        *, keyless: bool = True, work: bool = False, detector: Detector | None = None
    ) -> Service:
        settings = Settings(data=tmp_path, port=0, workers=1, webhook_workers=1, max_receives=1)
        service = Service(
            settings,
            detector or ScriptedDetector(),
            base_url=BASE,
            keyless=keyless,
            make_thumbnail=thumbnail_here,
            detector_processes=lambda: [os.getpid()],
        )
        at_hand.append(service)
        if work:
            service.dead_letters.take_all()
            service.worker.start()
        return service

    yield start
    for service in at_hand:
        assert service._pools.stop(PATIENCE)
        if service.worker.health_error() is None:
            service.worker.stop(PATIENCE)
        service.stores.database.close()
        os.close(service._lock)


class CheckedClient(AppClient):
    """Checks that the responses of `/admin/...` are those of its OpenAPI document."""

    def request(self, method: str, url: Any, **options: Any) -> httpx.Response:
        answer = super().request(method, url, **options)
        path = answer.request.url.path
        for each in OPERATIONS:
            pattern = re.sub(r"{\w+}", "[^/]+", each.path)
            if each.method == method.lower() and re.fullmatch(pattern, path):
                if answer.status_code == 200:
                    each.body.model_validate_json(answer.content)
                document = admin_document("/")
                described = document["paths"][each.path][each.method]["responses"]
                (content,) = described[str(answer.status_code)]["content"].values()
                schema = {**content["schema"], "components": document["components"]}
                jsonschema.validate(answer.json(), schema)
        return answer


def client_of(service: Service) -> AppClient:
    return CheckedClient(service.app, BASE)


def add_key(service: Service, owner: str, scopes: frozenset[Scope]) -> dict[str, str]:
    """Return the headers of a new key."""
    key = new_key()
    service.stores.owners.add_key(ApiKey(hash_key(key), owner, "", utc_now(), scopes))
    return {"authorization": f"Bearer {key}"}


def items(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def recorded(service: Service) -> list[tuple[AuditAction, str, str]]:
    """Return the audit log: action, owner and actor."""
    log = service.stores.audit
    start = utc_now().replace(year=2020)
    return [(each.action, each.owner, each.actor) for each in log.read(start, utc_now())]


def test_only_the_operators_scope_opens_the_routes(opened: Callable[..., Service]) -> None:
    """An owner's key is refused, whatever else it may do, and changes nothing."""
    service = opened(keyless=False)
    owner = add_key(service, "anna", ALL_SCOPES)
    operator = add_key(service, "ops", OPERATOR)
    service.stores.upload_events.send_dead_letter("{}")
    service.stores.deliveries.disable_endpoint("anna", "https://example.org/", utc_now())
    with client_of(service) as client:
        calls = [(client.get, each) for each in READS] + [(client.post, each) for each in CHANGES]
        for call, path in calls:
            assert call(f"/admin/{path}").status_code == 401
            refused = call(f"/admin/{path}", headers=owner)
            assert refused.status_code == 403
            assert refused.json()["missing_scopes"] == ["operator"]
        assert service.stores.upload_events.dead_depth() == 1
        assert len(service.stores.deliveries.disabled_endpoints("anna")) == 1
        for path in READS:
            assert client.get(f"/admin/{path}", headers=operator).status_code == 200
        # The operator's key alone opens no owner's pictures, not even those of its own name.
        listed = client.post(
            "/graphql", json={"query": "{ blobs { nodes { id } } }"}, headers=operator
        )
        assert listed.status_code == 403
    assert recorded(service) == []


def test_document_is_valid_and_describes_every_route(opened: Callable[..., Service]) -> None:
    """By the rules of OpenAPI 3.1. It needs no key."""
    service = opened(keyless=False)
    with client_of(service) as client:
        document = client.get("/admin/openapi.json").json()
        of_owners = client.get("/openapi.json").json()["paths"]
    validate(document)
    assert document["servers"] == [{"url": "/"}]
    described = {
        (path, method)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if operation["summary"] and operation["description"]
    }
    served = {
        (route.path, method.lower())
        for route in Admin(MagicMock(), MagicMock(), MagicMock(), None).routes()
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert described == served - {("/admin/openapi.json", "get")}
    assert not any(path.startswith("/admin") for path in of_owners)
    assert list(QUEUES) == [queue.name for queue in service.stores.queues]
    for methods in document["paths"].values():
        for operation in methods.values():
            assert {"200", "401", "403", "429", "500", "503"} <= operation["responses"].keys()
            assert operation["security"] == [{"key": []}]


def test_status_shows_what_the_service_holds_and_runs(
    opened: Callable[..., Service], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service = opened(work=True)
    with client_of(service) as client:
        made = client.post("/blobs").json()
        sent = client.put(made["upload_url"], content=b"picture", headers=made["upload_headers"])
        assert sent.status_code == 200
        url = f"/blobs/{made['blob_id']}"
        wait_until(lambda: client.get(url).json()["status"] == "LABELLED")
        client.post("/blobs")

        def measured() -> dict[str, Any] | None:
            found: dict[str, Any] = client.get("/admin/status").json()
            at_rest = found["disk"]["measured_at"] and not found["queues"]["uploads"]["later"]
            return found if at_rest else None

        status = wait_until(measured)
        findings = client.get("/admin/findings").json()["items"]
    assert status["running"] is True
    assert status["service"]["detector"] == "eye 1"
    assert status["service"]["checks"]["store"] is None
    names = [each["name"] for each in status["service"]["processes"]]
    assert names == ["service", "detector-0"]
    assert status["blobs"]["LABELLED"] == status["blobs"]["AWAITING_UPLOAD"] == 1
    (owner,) = status["owners"]
    assert (owner["owner"], owner["blobs"], owner["open_uploads"]) == ("local", 2, 1)
    assert owner["bytes"] == status["disk"]["originals_bytes"] == len(b"picture")
    assert status["queues"]["uploads"] == {"due": 0, "later": 0, "dead": 0, "oldest_seconds": 0}
    assert status["disk"]["database_bytes"] > 0
    assert status["versions"]["layout"] >= 15
    checks = {each["check"]: each["severity"] for each in findings}
    assert checks["database"] == "ok"
    assert checks["backups"] == "warning"
    # The command shows the same.
    assert main(["status", "--json", "--data", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == list(status)
    assert printed["service"] is None
    changing = ("at", "service", "disk", "database_bytes", "disk_free_bytes", "owners")
    for name in set(status) - set(changing):
        assert printed[name] == status[name], name
    assert list(printed["disk"]) == list(status["disk"])


def test_broken_event_becomes_a_dead_letter_that_can_be_retried_and_discarded(
    opened: Callable[..., Service],
) -> None:
    service = opened(work=True)
    service.stores.upload_events.send("{ not an event")

    with client_of(service) as client:

        def letters() -> list[dict[str, Any]]:
            return items(client.get("/admin/dead-letters/uploads"))

        (letter,) = wait_until(letters)
        assert letter["reason"].startswith("The message is malformed: no retry will help.")
        assert (letter["owner"], letter["subject"]) == (None, None)
        path = f"/admin/dead-letters/uploads/{letter['id']}"
        assert client.post(f"{path}/retry").json() == {"retried": 1}
        (again,) = wait_until(letters)
        assert again["id"] == letter["id"]
        assert client.post(f"{path}/discard").json() == {"discarded": 1}
        assert letters() == []
        gone = client.post(f"{path}/discard")
        assert (gone.status_code, gone.json()["code"]) == (404, "NOT_FOUND")
        unknown = client.get("/admin/dead-letters/elsewhere")
        assert (unknown.status_code, unknown.json()["code"]) == (422, "InvalidInput")
    assert recorded(service) == [
        (AuditAction.DEAD_LETTERS_RETRIED, "-", "keyless"),
        (AuditAction.DEAD_LETTER_DISCARDED, "-", "keyless"),
    ]


def test_dead_letter_of_a_picture_tells_what_the_labeller_raised(
    opened: Callable[..., Service],
) -> None:
    """Until it is retried; the retry labels the picture once the detector works."""
    detector = ScriptedDetector(Unavailable("The detector process has ended."))
    service = opened(work=True, detector=detector)
    with client_of(service) as client:
        made = client.post("/blobs").json()
        client.put(made["upload_url"], content=b"picture", headers=made["upload_headers"])
        (letter,) = wait_until(lambda: items(client.get("/admin/dead-letters/uploads")))
        assert (letter["owner"], letter["subject"]) == ("local", made["blob_id"])
        assert letter["reason"].startswith("LABELLER_UNAVAILABLE: ")
        assert letter["error"] == "Unavailable: The detector process has ended."
        detector.results(CAT)
        path = f"/admin/dead-letters/uploads/{letter['id']}/retry"
        assert client.post(path).json() == {"retried": 1}
        url = f"/blobs/{made['blob_id']}"
        wait_until(lambda: client.get(url).json()["status"] == "LABELLED")
        assert items(client.get("/admin/dead-letters/uploads")) == []


def test_endpoint_that_is_gone_is_enabled_and_its_webhook_sent_again(
    opened: Callable[..., Service], receiver: Receiver
) -> None:
    service = opened(work=True)
    receiver.answer = lambda _: 410
    with client_of(service) as client:
        made = client.post("/blobs", json={"callback_url": receiver.url}).json()
        client.put(made["upload_url"], content=b"picture", headers=made["upload_headers"])
        (gone,) = wait_until(lambda: items(client.get("/admin/deliveries/gone")))
        assert gone["owner"] == "local"
        assert gone["last_error"] == "status 410"
        assert "410 Gone" in gone["reason"]
        (endpoint,) = wait_until(lambda: items(client.get("/admin/endpoints")))
        assert (endpoint["url"], endpoint["pending"]) == (receiver.url, 0)
        assert endpoint["disabled_at"]
        assert client.get("/admin/status").json()["deliveries"]["last_day"]["gone"] == 1

        receiver.answer = lambda _: 200
        params = {"owner": "local", "url": receiver.url}
        assert client.post("/admin/endpoints/enable", params=params).status_code == 200
        assert items(client.get("/admin/endpoints")) == []
        assert client.post("/admin/endpoints/enable", params=params).status_code == 404
        redeliver = f"/admin/deliveries/{gone['id']}/redeliver"
        assert client.post(redeliver).json() == {"sent": True}
        wait_until(lambda: items(client.get("/admin/deliveries/delivered")))
        assert client.post("/admin/deliveries/msg_x_1/redeliver").status_code == 404
        assert client.get("/admin/deliveries/lost").status_code == 422
    assert recorded(service) == [
        (AuditAction.ENDPOINT_ENABLED, "local", "keyless"),
        (AuditAction.WEBHOOK_REDELIVERED, "local", "keyless"),
    ]


def test_operator_revokes_a_key_and_never_sees_it(opened: Callable[..., Service]) -> None:
    service = opened(keyless=False)
    owner = add_key(service, "anna", ALL_SCOPES)
    operator = add_key(service, "ops", OPERATOR)
    digest = hash_key(owner["authorization"].removeprefix("Bearer "))
    query = {"query": "{ viewer { owner } }"}
    with client_of(service) as client:
        listed = client.get("/admin/keys", headers=operator)
        assert [each["owner"] for each in items(listed)] == ["anna", "ops"]
        assert digest not in listed.text
        assert owner["authorization"].removeprefix("Bearer ") not in listed.text
        part = client.post(f"/admin/keys/{id_of_key(digest)[:6]}/revoke", headers=operator)
        assert part.status_code == 404
        revoke = f"/admin/keys/{id_of_key(digest)}/revoke"
        assert client.post(revoke, headers=operator).status_code == 200
        assert client.post("/graphql", json=query, headers=owner).status_code == 401
        assert client.post(revoke, headers=operator).status_code == 404
    operators_id = id_of_key(hash_key(operator["authorization"].removeprefix("Bearer ")))
    assert recorded(service) == [(AuditAction.KEY_REVOKED, "anna", f"key:{operators_id}")]


def test_lists_are_read_in_pages(opened: Callable[..., Service]) -> None:
    service = opened()
    for name in ("anna", "boris", "clara"):
        add_key(service, name, ALL_SCOPES)
    with client_of(service) as client:
        first = client.get("/admin/owners", params={"limit": 2}).json()
        assert [each["owner"] for each in first["items"]] == ["anna", "boris"]
        assert first["has_next"] is True
        last = client.get("/admin/owners", params={"limit": 2, "skip": 2}).json()
        assert [each["owner"] for each in last["items"]] == ["clara"]
        assert last["has_next"] is False
        for params in ({"limit": "0"}, {"limit": "201"}, {"skip": "-1"}, {"skip": "x"}):
            refused = client.get("/admin/owners", params=params)
            assert (refused.status_code, refused.json()["code"]) == (422, "InvalidInput")


def test_page_changes_by_its_session_and_other_origins_pages_do_not(
    opened: Callable[..., Service],
) -> None:
    service = opened(keyless=False)
    operator = add_key(service, "ops", OPERATOR)
    service.stores.upload_events.send_dead_letter("{}")
    own, foreign = {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "cross-site"}
    with client_of(service) as client:
        signed_in = client.post("/session", headers=operator | own)
        cookie = {"cookie": signed_in.headers["set-cookie"].partition(";")[0]}
        retry = "/admin/dead-letters/uploads/retry"
        assert client.post(retry, headers=cookie | foreign).status_code == 401
        assert client.get("/admin/status", headers=cookie | foreign).status_code == 401
        assert service.stores.upload_events.dead_depth() == 1
        assert client.post(retry, headers=cookie | own).json() == {"retried": 1}
