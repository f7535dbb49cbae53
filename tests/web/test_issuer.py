"""Tokens of a real OpenID Connect issuer: programs and people sign in and upload.

docs/oidc.md says how to set this up.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest

from tests.support.images.photos import photo
from tests.support.node import require_node
from tests.support.services.process import CREATE, ServiceProcess, put
from tests.support.waiting import PATIENCE

HERE: Final = Path(__file__).parent
AUDIENCE: Final = "https://labels.example"
OTHER: Final = "https://other.example"
REDIRECT: Final = "https://labels.example/signed-in"
STATUS: Final = "query ($id: ID!) { blob(id: $id) { status } }"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    require_node(HERE / "node_modules" / "oidc-provider")
    process = subprocess.Popen(
        ["node", "issuer.mjs", AUDIENCE],
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def service(issuer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    flags = ("--require-keys", "yes", "--oidc-issuer", issuer, "--oidc-audience", AUDIENCE)
    process = ServiceProcess(tmp_path_factory.mktemp("data"), *flags).start()
    yield process
    process.stop()


def token_of_robot(issuer: str, scope: str, audience: str = AUDIENCE) -> str:
    """Sign in a program (RFC 6749, 4.4); return its access token."""
    answer = httpx.post(
        f"{issuer}/token",
        auth=("robot", "secret"),
        data={"grant_type": "client_credentials", "scope": scope, "resource": audience},
        timeout=PATIENCE,
    )
    token: str = answer.json()["access_token"]
    return token


def tokens_of_person(issuer: str, name: str) -> dict[str, Any]:
    """Sign in a person on a page, by authorization code with PKCE (RFC 7636)."""
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "client_id": "page",
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": "openid labelling:read labelling:upload",
        "resource": AUDIENCE,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    with httpx.Client(timeout=PATIENCE) as client:
        answer = client.get(f"{issuer}/auth", params=asked)
        for form in ({"prompt": "login", "login": name, "password": "any"}, {"prompt": "consent"}):
            answer = followed(client, answer)
            assert f'value="{form["prompt"]}"' in answer.text
            answer = client.post(str(answer.url), data=form)
        location = followed(client, answer).headers["location"]
        (code,) = parse_qs(urlsplit(location).query)["code"]
        answer = client.post(
            f"{issuer}/token",
            data={
                "grant_type": "authorization_code",
                "client_id": "page",
                "code": code,
                "redirect_uri": REDIRECT,
                "code_verifier": verifier,
            },
        )
    tokens: dict[str, Any] = answer.json()
    return tokens


def followed(client: httpx.Client, answer: httpx.Response) -> httpx.Response:
    """Follow the issuer's own redirects, as a browser does."""
    while answer.is_redirect and not answer.headers["location"].startswith(REDIRECT):
        answer = client.get(urljoin(str(answer.url), answer.headers["location"]))
    return answer


def ask(service: ServiceProcess, token: str, query: str, **variables: Any) -> httpx.Response:
    return httpx.post(
        f"{service.url}/graphql",
        headers={"authorization": f"Bearer {token}"},
        json={"query": query, "variables": variables},
        timeout=PATIENCE,
    )


def create(service: ServiceProcess, token: str) -> httpx.Response:
    return ask(service, token, CREATE, input={"contentType": "PNG"})


def upload(service: ServiceProcess, token: str) -> str:
    created = create(service, token).json()["data"]["createUpload"]
    put(created["target"], photo("chelsea.png"))
    return str(created["blob"]["id"])


def status(service: ServiceProcess, token: str, blob_id: str) -> str | None:
    found = ask(service, token, STATUS, id=blob_id).json()["data"]["blob"]
    return found and str(found["status"])


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["extensions"]["code"], error["message"]


def test_program_and_person_upload_as_owners_of_their_own(
    issuer: str, service: ServiceProcess
) -> None:
    robot = token_of_robot(issuer, "labelling:read labelling:upload")
    person = tokens_of_person(issuer, "alice")["access_token"]
    of_robot, of_person = upload(service, robot), upload(service, person)
    assert status(service, robot, of_robot) in ("LABELLING", "LABELLED")
    assert status(service, person, of_person) in ("LABELLING", "LABELLED")
    assert status(service, robot, of_person) is None
    assert status(service, person, of_robot) is None
    owners = [
        service.row("SELECT owner FROM blobs WHERE id = ?", each)[0]
        for each in (of_robot, of_person)
    ]
    assert owners == ["oidc:robot", "oidc:alice"]


def test_token_without_the_scope_is_refused(issuer: str, service: ServiceProcess) -> None:
    answer = create(service, token_of_robot(issuer, "labelling:read"))
    code, kind, message = refusal(answer)
    assert (code, kind) == (403, "FORBIDDEN")
    assert "upload" in message
    assert message in described()


def test_token_for_another_service_is_refused(issuer: str, service: ServiceProcess) -> None:
    answer = create(service, token_of_robot(issuer, "labelling:upload", OTHER))
    assert refusal(answer)[:2] == (401, "UNAUTHENTICATED")
    assert "The token has another issuer or another audience" in refusal(answer)[2]


def test_id_token_is_refused(issuer: str, service: ServiceProcess) -> None:
    """It tells the page who signed in; its audience is the page, not the service."""
    answer = create(service, tokens_of_person(issuer, "alice")["id_token"])
    assert "The token has another issuer or another audience" in refusal(answer)[2]


def test_changed_token_is_refused(issuer: str, service: ServiceProcess) -> None:
    head, claims, signature = token_of_robot(issuer, "labelling:upload").split(".")
    other = token_of_robot(issuer, "labelling:read").split(".")[1]
    assert other != claims
    answer = create(service, f"{head}.{other}.{signature}")
    assert "The token is not valid" in refusal(answer)[2]


def described() -> str:
    """The page about issuers, without its line breaks."""
    text = (HERE.parents[1] / "docs" / "oidc.md").read_text()
    return re.sub(r"\s+", " ", text)


def test_every_refusal_of_tokens_is_described() -> None:
    code = (HERE.parents[1] / "api" / "auth" / "oidc.py").read_text()
    messages = re.findall(r'Unauthenticated\(\s*f?"([^"{]+)', code)
    assert len(messages) > 5
    page = described()
    for message in messages:
        assert message.strip() in page, message
