"""The embedded service's wiring and life cycle."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.graphql.execution.persisted import hash_of
from core.domain.api_key import hash_key, new_key
from core.domain.blob import Blob, BlobStatus
from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.domain.thumbnail import ThumbnailSize
from core.domain.webhook_url import CallbackRules
from core.repositories.ports.owners import ApiKey
from core.runtime.settings import BadSetting
from embedded.data.lock import DataInUse
from embedded.service import Service
from embedded.settings import Settings
from labeller.detectors.base import Picture
from tests.support.images.detectors import ScriptedDetector, thumbnail_here
from tests.support.services.app_client import AppClient
from tests.support.services.opened_services import BASE, Open, services_over
from tests.support.waiting import PATIENCE, wait_until


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with services_over(tmp_path) as start:
        yield start


def client_of(service: Service) -> AppClient:
    return AppClient(service.app, BASE)


def promised(client: AppClient) -> dict[str, Any]:
    answer = client.post("/blobs")
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


def send(client: AppClient, made: dict[str, Any], content: bytes = b"picture") -> int:
    headers = made["upload_headers"]
    return client.put(made["upload_url"], content=content, headers=headers).status_code


def test_upload_is_labelled(opened: Open) -> None:
    """API, object routes, queue, labeller, repositories and change feed work together."""
    service = opened()
    service.worker.start()
    with client_of(service) as client:
        made = promised(client)
        assert made["upload_url"].startswith(f"{BASE}/originals/local/{made['blob_id']}?")
        assert send(client, made) == 200
        url = f"/blobs/{made['blob_id']}"
        wait_until(lambda: client.get(url).json()["status"] == "LABELLED")
        blob = client.get(url).json()
        assert blob["labels"] == [{"label": "Cat", "confidence": 91.5, "parents": ["Animal"]}]
        query = {"query": "{ labels { nodes { name blobCount } } }"}
        found = wait_until(
            lambda: client.post("/graphql", json=query).json()["data"]["labels"]["nodes"]
        )
    assert found == [{"name": "Cat", "blobCount": 1}]


def test_metrics_tell_of_a_picture_and_of_the_service(opened: Open) -> None:
    service = opened()
    service.worker.start()
    with client_of(service) as client:
        made = promised(client)
        assert send(client, made) == 200
        wait_until(lambda: client.get(f"/blobs/{made['blob_id']}").json()["status"] == "LABELLED")
        families = text_string_to_metric_families(client.get("/metrics").text)
        samples = {
            (each.name.removeprefix("labelling_"), *each.labels.values()): each.value
            for family in families
            for each in family.samples
        }
    assert samples["uploads_created_total",] == 1
    assert samples["uploaded_bytes_total",] == len(b"picture")
    assert samples["pictures_labelled_total",] == 1
    assert samples["detection_time_seconds_count",] == 1
    assert samples["blobs", "LABELLED"] == 1
    assert samples["blobs", "FAILED"] == 0
    assert samples["http_requests_total", "PUT /originals", "2xx"] == 1
    assert samples["queue_messages", "uploads", "due"] == 0
    assert samples["dead_letters", "hints"] == 0
    assert samples["ready", "store"] == 1
    assert samples["in_progress", "requests"] == 0  # /metrics itself is not counted
    assert samples["database_bytes", "database"] > 0
    assert samples["disk_free_bytes",] > 0
    if sys.platform == "linux":
        assert samples["process_resident_bytes", "service"] > 0
        assert samples["open_files",] > 0
    assert len(samples) >= 40


def test_metrics_are_there_while_the_database_is_not(opened: Open) -> None:
    service = opened()
    with client_of(service) as client:
        service.stores.database.close()
        answer = client.get("/metrics")
    assert answer.status_code == 200
    assert "labelling_threads" in answer.text
    assert "labelling_blobs" not in answer.text


def at_version(service: Service, made: dict[str, Any], version: int) -> Blob | None:
    blob = service.stores.blobs.get(made["blob_id"])
    return blob if blob and blob.version >= version else None


def test_waiting_thumbnails_delay_no_other_request(opened: Open) -> None:
    """More thumbnails than any pool has threads; none can be made before all else is answered."""
    go_on = threading.Event()

    def make_thumbnail(_: Picture, _size: ThumbnailSize) -> bytes:
        go_on.wait(PATIENCE)
        return b"thumbnail"

    service = opened(make_thumbnail=make_thumbnail)
    query = "query ($id: ID!) { blob(id: $id) { thumbnailUrl } }"

    async def upload(client: httpx.AsyncClient, content: bytes) -> str:
        made = (await client.post("/blobs")).json()
        answer = await client.put(
            made["upload_url"], content=content, headers=made["upload_headers"]
        )
        assert answer.status_code == 200
        return str(made["blob_id"])

    async def thumbnail_url(client: httpx.AsyncClient, blob_id: str) -> str:
        asked = {"query": query, "variables": {"id": blob_id}}
        answer = (await client.post("/graphql", json=asked)).json()
        return str(answer["data"]["blob"]["thumbnailUrl"])

    async def run() -> list[int]:
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            ids = [await upload(client, b"%d" % number) for number in range(60)]
            urls = [await thumbnail_url(client, each) for each in ids]
            waiting = [asyncio.create_task(client.get(url)) for url in urls]
            await asyncio.sleep(0)
            for number in range(20):  # by every kind of thread there is
                blob_id = await upload(client, b"later %d" % number)
                await thumbnail_url(client, blob_id)
                assert (await client.get("/readyz")).status_code == 503  # no worker runs here
            assert not any(task.done() for task in waiting)
            go_on.set()
            return [answer.status_code for answer in await asyncio.gather(*waiting)]

    assert set(asyncio.run(run())) == {200}


def test_thumbnail_that_nobody_waits_for_is_not_made(opened: Open) -> None:
    """Its client disconnected before its turn; so its request counts no longer."""
    go_on, began = threading.Event(), threading.Event()
    made: list[str] = []

    def make_thumbnail(picture: Picture, _size: ThumbnailSize) -> bytes:
        made.append(picture.key.rpartition("/")[2])
        began.set()
        go_on.wait(PATIENCE)
        return b"thumbnail"

    service = opened(make_thumbnail=make_thumbnail)
    with client_of(service) as client:
        ids = []
        for content in (b"first", b"second", b"third"):
            blob = promised(client)
            assert send(client, blob, content) == 200
            ids.append(blob["blob_id"])
        query = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Blob { thumbnailUrl } } }"
        asked = {"query": query, "variables": {"ids": ids}}
        nodes = client.post("/graphql", json=asked).json()["data"]["nodes"]
    first, second, third = (node["thumbnailUrl"] for node in nodes)

    async def run() -> None:
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            waiting = asyncio.create_task(client.get(first))
            await asyncio.to_thread(began.wait, PATIENCE)
            assert await status_of_disconnected(service, second) == 499
            go_on.set()
            answers = [await waiting, await client.get(third)]
            assert [answer.content for answer in answers] == [b"thumbnail"] * 2

    asyncio.run(run())
    assert made == [ids[0], ids[2]]


async def status_of_disconnected(service: Service, url: str) -> int:
    """Return the status for a client that disconnects once it has sent its request."""
    parsed = httpx.URL(url)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": parsed.path,
        "raw_path": parsed.raw_path.partition(b"?")[0],
        "root_path": "",
        "query_string": parsed.query,
        "headers": [(b"host", parsed.netloc)],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    received = iter([{"type": "http.request", "body": b"", "more_body": False}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(received, {"type": "http.disconnect"})

    async def answer(message: Any) -> None:
        sent.append(message)

    await service.app(scope, receive, answer)
    return int(sent[0]["status"])


def test_relabel_labels_again(opened: Open) -> None:
    """Repeatedly, each time with the next version of the blob."""
    service = opened()
    query = {
        "query": "mutation ($id: ID!) { relabelBlob(blobId: $id) { __typename } }",
        "variables": {"id": ""},
    }
    service.worker.start()
    with client_of(service) as client:
        made = promised(client)
        query["variables"] = {"id": made["blob_id"]}
        assert send(client, made) == 200
        for version in (3, 5, 7):
            blob = wait_until(lambda version=version: at_version(service, made, version))
            assert (blob.version, blob.status) == (version, BlobStatus.LABELLED)
            answer = client.post("/graphql", json=query).json()
            assert answer["data"]["relabelBlob"]["__typename"] == "RelabelledBlob"


def test_label_policy_is_applied_to_stored_blobs_by_the_running_service(opened: Open) -> None:
    """And counted, and shown as finished."""
    service = opened()
    query = {
        "query": "mutation { setLabelPolicy(input: {expectedVersion: 0, rules: [{action: RENAME,"
        ' label: "Cat", replacement: "Puss"}]}) { ... on LabelPolicySet { policy { version } } } }'
    }
    service.worker.start()
    with client_of(service) as client:
        made = promised(client)
        assert send(client, made) == 200
        wait_until(lambda: at_version(service, made, 3))
        answer = client.post("/graphql", json=query).json()
        assert answer["data"]["setLabelPolicy"] == {"policy": {"version": 1}}
        wait_until(lambda: service.stores.blobs.policies.find("local").finished)
        labels = client.get(f"/blobs/{made['blob_id']}").json()["labels"]
        assert [each["label"] for each in labels] == ["Puss"]
        query = {"query": "{ labels { nodes { name blobCount } } }"}
        assert wait_until(
            lambda: (
                client.post("/graphql", json=query).json()["data"]["labels"]["nodes"]
                == [{"name": "Puss", "blobCount": 1}]
            )
        )


def test_upload_url_survives_a_restart(opened: Open) -> None:
    """The signing secret is in the data folder."""
    with client_of(opened()) as client:
        made = promised(client)
    with client_of(opened()) as client:
        assert send(client, made) == 200


def test_signed_urls_start_with_the_public_url(opened: Open) -> None:
    """Clients reach the service through a proxy."""
    with client_of(opened(public_url="https://labels.example/")) as client:
        url = promised(client)["upload_url"]
    assert url.startswith("https://labels.example/originals/local/")


def test_start_removes_files_of_interrupted_uploads(opened: Open, tmp_path: Path) -> None:
    leftover = tmp_path / ".incoming" / "half"
    leftover.parent.mkdir()
    leftover.write_bytes(b"x")
    opened()
    assert not leftover.exists()


def test_image_larger_than_the_setting_is_rejected(opened: Open) -> None:
    with client_of(opened(max_upload_bytes=10)) as client:
        made = promised(client)
        assert send(client, made, b"x" * 11) == 413
        assert send(client, made, b"x" * 10) == 200


@pytest.mark.parametrize("bound", ["uploads_per_minute", "open_uploads"])
def test_uploads_beyond_the_settings_are_rejected(
    opened: Open, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the REST routes too; 0 turns it off."""
    now = utc_now()
    monkeypatch.setattr("embedded.service.utc_now", lambda: now)  # so that all are in one minute
    with client_of(opened(**{bound: 2})) as client:
        statuses = [client.post("/blobs").status_code for _ in range(4)]
        assert statuses == [201, 201, 429, 429]
    with client_of(opened(uploads_per_minute=0, open_uploads=0)) as client:
        assert {client.post("/blobs").status_code for _ in range(4)} == {201}


def test_request_without_key_is_rejected_when_keys_are_required(opened: Open) -> None:
    """A key's requests act for its owner."""
    service = opened(keyless=False)
    key = new_key()
    service.stores.owners.add_key(ApiKey(hash_key(key), "anna", "", utc_now()))
    with client_of(service) as client:
        assert client.post("/blobs").status_code == 401
        made = client.post("/blobs", headers={"authorization": f"Bearer {key}"}).json()
        assert f"/originals/anna/{made['blob_id']}?" in made["upload_url"]
        assert send(client, made) == 200  # a signed URL needs no key


def test_readiness_needs_a_writable_store_and_all_threads(opened: Open) -> None:
    service = opened()
    with client_of(service) as client:
        before = client.get("/readyz")
        assert before.status_code == 503
        stopped = "not running: change feed, maintenance"
        assert before.json()["checks"]["workers"].startswith(stopped)
        service.worker.start()
        sound = client.get("/readyz")
        assert (sound.status_code, set(sound.json()["checks"].values())) == (200, {"ok"})

        database = service.stores.database
        database._writer.execute("PRAGMA query_only = ON")

        def refused() -> httpx.Response | None:  # again, if a write that began before ended after
            with pytest.raises(Unavailable):
                database.check_writable()
            answer = client.get("/readyz")
            return answer if answer.status_code == 503 else None

        assert "readonly" in wait_until(refused).json()["checks"]["store"]
        database._writer.execute("PRAGMA query_only = OFF")
        database.check_writable()
        assert client.get("/readyz").status_code == 200
        assert client.get("/healthz").status_code == 200


def test_lifespan_starts_and_stops_the_worker(opened: Open) -> None:
    service = opened()

    async def life() -> str | None:
        async with service._lifespan(None):
            return service.worker.health_error()

    assert asyncio.run(life()) is None
    assert service.worker.health_error() is not None


def test_second_service_on_one_folder_raises(opened: Open, tmp_path: Path) -> None:
    """The message has the remedy."""
    opened()
    with pytest.raises(DataInUse, match="choose another folder with --data"):
        Service(
            Settings(data=tmp_path),
            ScriptedDetector(),
            base_url=BASE,
            keyless=True,
            make_thumbnail=thumbnail_here,
        )


def test_killed_process_releases_its_folder(opened: Open, tmp_path: Path) -> None:
    code = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DataInUse):
            opened()
        other.kill()
    opened()


@pytest.mark.parametrize(
    ("choice", "keyless", "private"),
    [
        (None, True, True),
        (None, False, False),
        (True, False, True),
        (False, True, False),
    ],
)
def test_private_callbacks_are_allowed_by_setting_or_on_loopback(
    choice: bool | None, keyless: bool, private: bool
) -> None:
    settings = Settings(private_callbacks=choice)
    rules = CallbackRules.from_settings(settings, private_default=keyless)
    assert rules == CallbackRules(private=private)


def test_private_callback_url_is_rejected_when_not_allowed(opened: Open) -> None:
    """When the upload is created."""
    service = opened(private_callbacks=False)
    with client_of(service) as client:
        answer = client.post("/blobs", json={"callback_url": "http://localhost:9000/"})
    assert (answer.status_code, answer.json()["code"]) == (422, "CallbackUrlRefused")


def test_log_names_a_blocked_origin(opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    """The browser tells the page's developer nothing but "Failed to fetch"."""
    app = {"origin": "https://app.example"}
    with client_of(opened()) as client:
        assert client.post("/graphql", headers=app, json={}).status_code == 403
    (line,) = [each for each in caplog.records if "--cors-origins" in each.message]
    assert getattr(line, "origin", None) == "https://app.example"


def test_large_graphql_responses_are_compressed(opened: Open) -> None:
    with client_of(opened()) as client:
        large, small = (
            client.post("/graphql", json={"query": query})
            for query in ("{ __schema { types { name } } }", "{ __typename }")
        )
    assert large.headers["content-encoding"] == "gzip"
    assert len(large.json()["data"]["__schema"]["types"]) > 100
    assert "content-encoding" not in small.headers


def test_settings_restrict_what_graphql_executes(opened: Open, tmp_path: Path) -> None:
    """Introspection, cost, suggestions, persisted queries, allowed documents, time."""
    asked = ("{ __schema { queryType { name } } }", "{ blobs { nodes { id } } }", "{ __typename }")
    listed = tmp_path / "documents.json"
    listed.write_text(json.dumps({hash_of(asked[2]): asked[2]}))
    for settings, executed in (
        ({}, [True, True, True]),
        ({"introspection": False}, [False, True, True]),
        ({"max_cost": 10}, [True, False, True]),
        ({"allowed_documents": listed}, [False, False, True]),
        ({"operation_timeout": 0.00001}, [True, False, True]),  # introspection reads no store
    ):
        with client_of(opened(**settings)) as client:
            answers = [client.post("/graphql", json={"query": query}).json() for query in asked]
        assert ["data" in answer for answer in answers] == executed, settings
    for choice in (True, False):
        service = opened(field_suggestions=choice, automatic_persisted_queries=choice)
        with client_of(service) as client:
            answer = client.post("/graphql", json={"query": "{ blobz { nodes { id } } }"})
            assert ("Did you mean" in answer.text) is choice
            named = {"persistedQuery": {"version": 1, "sha256Hash": hash_of(asked[2])}}
            answer = client.post("/graphql", json={"extensions": named})
            assert ("PersistedQueryNotFound" in answer.text) is choice


def test_invalid_document_list_is_an_error_at_start(opened: Open, tmp_path: Path) -> None:
    """Not at the first request."""
    (tmp_path / "documents.json").write_text("[]")
    with pytest.raises(BadSetting, match=r"documents\.json"):
        opened(allowed_documents=tmp_path / "documents.json")


def test_changes_by_requests_are_in_the_audit_log(opened: Open) -> None:
    """With the key and the address of the client."""
    service = opened(keyless=False)
    key = new_key()
    service.stores.owners.add_key(ApiKey(hash_key(key), "anna", "", utc_now()))
    began = utc_now()
    with AppClient(service.app, BASE) as client:
        headers = {"authorization": f"Bearer {key}"}
        made = client.post("/blobs", headers=headers).json()

        def mutate(query: str) -> None:
            answer = client.post("/graphql", json={"query": query}, headers=headers).json()
            assert "errors" not in answer, answer

        mutate("mutation { rotateWebhookSecret { __typename } }")
        delete = f'deleteBlob(blobId: "{made["blob_id"]}") {{ __typename }}'
        mutate(f"mutation {{ {delete} }}")
        mutate('mutation { deleteBlob(blobId: "01KYAPP62SWHJ3Z8EFVNKPPWB6") { __typename } }')
        mutate('mutation { enableWebhookEndpoint(url: "https://a.example/") { __typename } }')
    records = list(service.stores.audit.read(began, utc_now()))
    assert [(record.action, record.subject) for record in records] == [
        ("webhook-secret.rotated", "anna"),
        ("blob.deleted", made["blob_id"]),
    ]
    assert {record.actor for record in records} == {f"key:{hash_key(key)[:12]}"}
    assert {(record.owner, record.origin) for record in records} == {("anna", "127.0.0.1")}


def test_request_succeeds_if_its_audit_record_cannot_be_stored(
    opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has its content instead."""

    def fail(*_: object) -> None:
        raise Unavailable("disk full")

    service = opened()
    monkeypatch.setattr(type(service.stores.audit), "append", fail)
    with client_of(service) as client:
        blob_id = promised(client)["blob_id"]
        query = f'mutation {{ deleteBlob(blobId: "{blob_id}") {{ __typename }} }}'
        answer = client.post("/graphql", json={"query": query}).json()
    assert answer["data"]["deleteBlob"]["__typename"] == "DeletedBlob"
    (record,) = [each for each in caplog.records if each.message == "audit record not stored"]
    assert (vars(record)["action"], vars(record)["subject"]) == ("blob.deleted", blob_id)
