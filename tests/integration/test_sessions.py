"""Sessions of pages on the real service: signing in and out, and requests that others forge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import datetime
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from core.domain.api_key import hash_key, new_key
from core.domain.clock import utc_now
from core.repositories.ports.owners import ApiKey
from embedded.authentication import build_sessions
from embedded.cli.main import main
from embedded.http.session import SessionCookie
from embedded.service import Service
from embedded.settings import Settings
from tests.support.problems import read_problem
from tests.support.services.app_client import AppClient
from tests.support.services.issuer import AUDIENCE, Issuer
from tests.support.services.opened_services import BASE, Open, services_over
from tests.support.services.process import ServiceProcess
from tests.support.services.proxies import free_port
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow

OTHER = "http://localhost:5173"  # may use the API by CORS, and is of the same site in a browser
QUERY = {"query": "{ viewer { owner } }"}
MUTATION = {"query": "mutation { createUpload(input: {contentType: JPEG}) { __typename } }"}
DELETED = 'mutation { deleteBlob(id: "01KYAPP62SWHJ3Z8EFVNKPPWB6") { __typename } }'


class Keyed:
    """A service that needs keys, the key of anna, and her session in a browser."""

    def __init__(self, data: Path, *flags: str) -> None:
        self.data = data
        self.key = self.command("keys", "create", "--owner", "anna")
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.service = self.start(*flags)
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE)
        # Only the cookies that a test gives.
        self.http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.own = {"origin": self.url, "sec-fetch-site": "same-origin"}

    def start(self, *flags: str) -> ServiceProcess:
        return ServiceProcess(
            self.data,
            *("--port", str(self.port), "--public-url", f"http://labels.test:{self.port}"),
            *("--cors-origins", OTHER, *flags),
        ).start()

    def command(self, *words: str) -> str:
        with redirect_stdout(StringIO()) as printed:
            main([*words, "--data", str(self.data)])
        return printed.getvalue().strip()

    def sign_in(self, **headers: str) -> httpx.Response:
        given = self.own | {"authorization": f"Bearer {self.key}"} | headers
        return self.http.post("/session", headers=given)

    def cookie(self, **headers: str) -> dict[str, str]:
        """Return the header by which a browser sends the cookie of a new session."""
        return {"cookie": self.sign_in(**headers).headers["set-cookie"].partition(";")[0]}

    def ask(self, headers: dict[str, str], body: dict[str, Any] = QUERY) -> httpx.Response:
        return self.http.post("/graphql", json=body, headers=headers)


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    running = Keyed(tmp_path_factory.mktemp("data"))
    yield running
    running.http.close()
    running.service.stop()


def test_session_lasts_from_signing_in_to_signing_out(keyed: Keyed) -> None:
    """It reads and writes in GraphQL and REST, by HTTP, SSE and WebSocket, for its owner."""
    signed_in = keyed.sign_in()
    assert signed_in.status_code == HTTPStatus.OK
    told = signed_in.json()
    assert told["owner"] == "anna"
    assert told["scopes"] == ["admin", "delete", "edit", "read", "upload"]
    assert "HttpOnly; SameSite=Strict" in signed_in.headers["set-cookie"]
    assert keyed.key not in str(signed_in.headers)
    session = keyed.own | {"cookie": signed_in.headers["set-cookie"].partition(";")[0]}
    assert keyed.http.get("/session", headers=session).json() == told

    assert keyed.ask(session).json()["data"]["viewer"]["owner"] == "anna"
    assert "errors" not in keyed.ask(session, MUTATION).json()
    made = keyed.http.post("/v1/blobs", headers=session)
    assert made.status_code == HTTPStatus.CREATED
    blob = keyed.http.get(f"/v1/blobs/{made.json()['blob_id']}", headers=session)
    assert blob.status_code == HTTPStatus.OK
    assert blob.headers["cache-control"] == "no-store"  # shared caches don't know the cookie
    assert keyed.http.get("/metrics", headers=session).status_code == HTTPStatus.OK
    assert socket_of(keyed, session) == "connection_ack"
    events = {"query": "subscription { blobEvents(filter: {}) { kind } }"}
    stream = session | {"accept": "text/event-stream"}
    with keyed.http.stream("POST", "/graphql", json=events, headers=stream) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")

    signed_out = keyed.http.request("DELETE", "/session", headers=session)
    assert signed_out.status_code == HTTPStatus.NO_CONTENT
    assert "=; Path=/; Max-Age=0; HttpOnly" in signed_out.headers["set-cookie"]
    assert keyed.http.get("/session").status_code == HTTPStatus.NO_CONTENT


def socket_of(keyed: Keyed, headers: dict[str, str]) -> str | int:
    """Open a WebSocket; return the type of its first message, or its close code or status."""
    kept = {name: value for name, value in headers.items() if name != "origin"}
    with connect(
        keyed.url.replace("http", "ws", 1) + "/graphql",
        subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
        origin=headers.get("origin"),  # type: ignore[arg-type]
        additional_headers=kept,
    ) as client:
        client.send(json.dumps({"type": "connection_init"}))
        try:
            return str(json.loads(client.recv(timeout=PATIENCE))["type"])
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else "no close frame"


def test_forged_requests_are_not_authenticated(keyed: Keyed) -> None:
    """A page elsewhere can have the browser send the cookie, if it is of the same site."""
    cookie = keyed.cookie()
    assert keyed.ask(cookie | keyed.own).status_code == HTTPStatus.OK
    forged = [
        {"origin": OTHER},
        {"origin": OTHER, "sec-fetch-site": "same-site"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {},  # a program, or a browser that tells nothing
    ]
    for headers in forged:
        sent = cookie | headers
        for body in (QUERY, MUTATION, {"query": DELETED}):
            assert keyed.ask(sent, body).status_code == HTTPStatus.UNAUTHORIZED, headers
        made = keyed.http.post("/v1/blobs", headers=sent)
        read_problem(made, "UNAUTHENTICATED")
        for method in ("POST", "DELETE"):
            given = sent | {"authorization": f"Bearer {keyed.key}"}
            answer = keyed.http.request(method, "/session", headers=given)
            assert "--public-url" in read_problem(answer, "FORBIDDEN")["detail"]
            assert "set-cookie" not in answer.headers
        stream = sent | {"accept": "text/event-stream"}
        events = {"query": "subscription { blobEvents(filter: {}) { kind } }"}
        assert keyed.ask(stream, events).status_code == HTTPStatus.UNAUTHORIZED
    # A WebSocket of an allowed origin is accepted, but needs a key; the others are not.
    assert socket_of(keyed, cookie | {"origin": OTHER}) == 4403
    assert socket_of(keyed, cookie) == 4403


def test_get_executes_no_mutation_and_no_response_admits_credentials(keyed: Keyed) -> None:
    """The only unsafe requests are those whose origin is checked."""
    session = keyed.cookie() | keyed.own
    got = keyed.http.get("/graphql", params=MUTATION, headers=session)
    assert got.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    form = keyed.http.post("/graphql", data={"query": MUTATION["query"]}, headers=session)
    assert form.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    for path in ("/session", "/graphql", "/v1/blobs"):
        preflight = keyed.http.options(
            path,
            headers={"origin": OTHER, "access-control-request-method": "POST"},
        )
        assert preflight.headers["access-control-allow-origin"] == OTHER
        assert "access-control-allow-credentials" not in preflight.headers
    answer = keyed.ask(session | {"origin": OTHER})
    assert "access-control-allow-credentials" not in answer.headers


def test_session_ends_when_its_key_is_revoked_or_the_secret_is_rotated(keyed: Keyed) -> None:
    """Without a restart."""
    session = keyed.cookie() | keyed.own
    assert keyed.ask(session).status_code == HTTPStatus.OK
    keyed.command("url-secret", "rotate")
    wait_until(lambda: keyed.ask(session).status_code == HTTPStatus.UNAUTHORIZED)
    (error,) = keyed.ask(session).json()["errors"]
    assert error["message"] == "The session has ended: sign in again with an API key."
    key = keyed.command("keys", "create", "--owner", "carla")
    session = keyed.cookie(authorization=f"Bearer {key}") | keyed.own
    assert keyed.ask(session).status_code == HTTPStatus.OK
    keyed.command("keys", "revoke", hash_key(key)[:12])
    wait_until(lambda: keyed.ask(session).status_code == HTTPStatus.UNAUTHORIZED)


def test_authorization_header_wins_over_a_session(keyed: Keyed) -> None:
    session = keyed.cookie() | keyed.own
    other = keyed.command("keys", "create", "--owner", "ben")
    answer = keyed.ask(session | {"authorization": f"Bearer {other}"})
    assert answer.json()["data"]["viewer"]["owner"] == "ben"
    wrong = keyed.ask(session | {"authorization": "Bearer lbl_wrong"})
    assert wrong.status_code == HTTPStatus.UNAUTHORIZED


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    with services_over(tmp_path) as start:
        yield start


def signed_in(client: AppClient, credential: str) -> httpx.Response:
    headers = {"origin": BASE, "authorization": f"Bearer {credential}"}
    return client.post("/session", headers=headers)


def as_page(answer: httpx.Response) -> dict[str, str]:
    """Return the headers that a page sends once the service has set its cookie."""
    return {"origin": BASE, "cookie": answer.headers["set-cookie"].partition(";")[0]}


def test_failed_attempts_to_sign_in_are_limited(
    opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """As other requests without a valid key are; a session can't be made of a session."""
    service = opened(keyless=False, failed_keys_per_minute=3)
    key = new_key()
    service.stores.owners.add_key(ApiKey(hash_key(key), "anna", "", utc_now()))
    with AppClient(service.app, BASE) as client:
        page = as_page(signed_in(client, key))
        assert client.post("/graphql", json=QUERY, headers=page).status_code == HTTPStatus.OK
        assert read_problem(client.post("/session", headers=page), "UNAUTHENTICATED")
        for _ in range(3):
            assert read_problem(signed_in(client, "lbl_wrong"), "UNAUTHENTICATED")
        assert read_problem(signed_in(client, "lbl_wrong"), "TOO_MANY_REQUESTS")
        # A session that was used before goes on.
        assert client.post("/graphql", json=QUERY, headers=page).status_code == HTTPStatus.OK
    logged = "".join(str(vars(record)) for record in caplog.records)
    assert "authentication failed" in logged
    secrets = (page["cookie"].partition("=")[2], key, "lbl_wrong")
    assert not any(secret in logged for secret in secrets)


def test_token_signs_in_until_it_ends_or_the_settings_change(opened: Open) -> None:
    """The session has the scopes of the token."""
    issuer = Issuer()
    tokens = {"oidc_issuer": issuer.url, "oidc_audience": AUDIENCE}
    try:
        token = issuer.token(sub="anna", scope="read")
        with AppClient(opened(keyless=False, **tokens).app, BASE) as client:
            answer = signed_in(client, token)
            told = answer.json()
            assert (told["owner"], told["scopes"]) == ("oidc:anna", ["read"])
            ends = jwt.decode(token, options={"verify_signature": False})["exp"]
            assert datetime.fromisoformat(told["expires_at"]).timestamp() == ends
            page = as_page(answer)
            asked = client.post("/graphql", json=QUERY, headers=page).json()
            assert asked["data"]["viewer"]["owner"] == "oidc:anna"
            forbidden = client.post("/graphql", json=MUTATION, headers=page)
            assert forbidden.status_code == HTTPStatus.FORBIDDEN
        with AppClient(opened(keyless=False, **tokens).app, BASE) as client:
            assert client.post("/graphql", json=QUERY, headers=page).status_code == HTTPStatus.OK
        changed = opened(keyless=False, **tokens, oidc_owner_prefix="staff:")
        with AppClient(changed.app, BASE) as client:
            ended = client.post("/graphql", json=QUERY, headers=page)
            assert ended.status_code == HTTPStatus.UNAUTHORIZED
    finally:
        issuer.close()


def test_service_without_keys_needs_no_session(opened: Open) -> None:
    """And a session that it did not sign changes nothing."""
    service = opened()
    name = SessionCookie(None, service_name(service)).name
    with AppClient(service.app, BASE) as client:
        for cookie in ("labelling-12345678=a.b.c", f"{name}=a.b.c"):
            headers = {"origin": BASE, "cookie": cookie}
            answer = client.post("/graphql", json=QUERY, headers=headers)
            assert answer.json()["data"]["viewer"]["owner"] == "local"
            told = client.get("/session", headers=headers)
            assert told.status_code == HTTPStatus.NO_CONTENT


def service_name(service: Service) -> str:
    return build_sessions(Settings(), service.stores).service_name
