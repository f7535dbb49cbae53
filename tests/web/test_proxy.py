"""The service behind real proxies with the documented configurations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from websockets.sync.client import connect

from embedded.cli.main import main
from tests.support.browser import drive, require_browser
from tests.support.images.models import link_models
from tests.support.images.photos import photo
from tests.support.services.process import BLOB, CREATE, ServiceProcess
from tests.support.services.proxies import Caddy, Nginx, Proxy, free_port
from tests.support.waiting import PATIENCE, wait_until

ROOT_PATH = {"location /labels/": "location /"}
PATH_KEPT = {"127.0.0.1:8000/;": "127.0.0.1:8000;"}


@contextmanager
def behind(
    kind: type[Proxy], folder: Path, model: Path, path: str, changes: dict[str, str]
) -> Iterator[tuple[str, Proxy]]:
    """Run the service and a proxy; yield the public URL."""
    data, port = folder / "data", free_port()
    link_models(data, model)
    with kind(folder / "proxy", port, changes) as proxy:
        url = f"https://127.0.0.1:{proxy.port}{path}"
        service = ServiceProcess(data, "--port", str(port), "--public-url", url).start()
        try:
            yield url, proxy
        finally:
            assert service.stop() == 0


def test_nginx_passes_errors_on_redirects_from_http_and_logs_no_signature(
    tmp_path: Path, model_path: Path
) -> None:
    with behind(Nginx, tmp_path, model_path, "/labels", {}) as (url, proxy):
        assert isinstance(proxy, Nginx)
        with httpx.Client(verify=proxy.trusted, timeout=PATIENCE) as client:
            plain = client.get(f"http://127.0.0.1:{proxy.plain_port}/labels/?a=b")
            assert (plain.status_code, plain.headers["location"]) == (
                301,
                "https://127.0.0.1/labels/?a=b",
            )
            page = client.get(f"{url}/")
            assert page.headers["strict-transport-security"] == "max-age=31536000"
            for _ in range(4):  # each was a 502 as often as not when nginx closed its connections
                created = graphql(client, url, CREATE, {"input": {"contentType": "PNG"}})
                target = created["createUpload"]["target"]
                headers = {each["name"]: each["value"] for each in target["headers"]}
                large = client.put(target["url"], content=bytes(51_000_000), headers=headers)
                assert (large.status_code, large.json()["code"]) == (413, "EntityTooLarge")
        logged = (
            f'"PUT {target["url"].partition("?")[0].removeprefix(url.removesuffix("/labels"))}" 413'
        )
        wait_until(lambda: logged in proxy.log.read_text())
        assert "signature" not in proxy.log.read_text().lower()


@pytest.mark.parametrize(
    ("kind", "path", "changes"),
    [
        (Nginx, "/labels", {}),
        (Nginx, "/labels", PATH_KEPT),
        (Nginx, "", ROOT_PATH),
        (Caddy, "", {}),
    ],
    ids=["path removed", "path kept", "no path", "Caddy"],
)
def test_every_url_of_the_service_leads_through_the_proxy(
    tmp_path: Path, model_path: Path, kind: type[Proxy], path: str, changes: dict[str, str]
) -> None:
    """Pages and their files, redirects, uploads, downloads, thumbnails and WebSockets."""
    with behind(kind, tmp_path, model_path, path, changes) as (url, proxy):
        with httpx.Client(verify=proxy.trusted, timeout=PATIENCE) as client:
            redirected = client.get(f"{url}/graphql/?query=%7B__typename%7D")
            assert redirected.status_code == 307
            target = urljoin(str(redirected.url), redirected.headers["location"])
            assert target == f"{url}/graphql?query=%7B__typename%7D"
            for page in (f"{url}/", f"{url}/graphql"):
                text = client.get(page, headers={"accept": "text/html"}).text
                files = [
                    urljoin(page, each) for each in re.findall(r'(?:src|href)="([^"#]+)"', text)
                ]
                assert any(each.endswith(".js") for each in files)
                for each in files:
                    assert each.startswith(f"{url}/")
                    assert client.get(each).status_code == 200
            blob_id, upload_url = upload(client, url, photo("chelsea.png"))
            assert upload_url.startswith(f"{url}/originals/")
            blob = labelled(client, url, blob_id)
            for field in ("downloadUrl", "thumbnailUrl"):
                assert blob[field].startswith(f"{url}/")
                assert client.get(blob[field]).status_code == 200
        socket_url = f"{url.replace('https', 'wss')}/graphql"
        with connect(socket_url, ssl=proxy.trusted, subprotocols=["graphql-transport-ws"]) as ws:
            ws.send('{"type": "connection_init"}')
            assert json.loads(ws.recv(timeout=PATIENCE))["type"] == "connection_ack"


def test_the_pages_work_in_a_browser_below_a_path(
    tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The gallery with live updates and a session, and GraphiQL with its workers."""
    require_browser()
    tmp_path.joinpath("data").mkdir()
    main(["keys", "create", "--owner", "anna", "--data", str(tmp_path / "data")])
    key = capsys.readouterr().out.strip()
    picture = tmp_path / "cat.png"
    picture.write_bytes(photo("chelsea.png"))
    with behind(Nginx, tmp_path, model_path, "/labels", {}) as (url, _):
        browser = drive("proxy.mjs", url, str(picture), key)
        printed, complaints = browser.communicate(timeout=180)
    assert browser.returncode == 0, printed + complaints


def graphql(client: httpx.Client, url: str, query: str, variables: dict[str, object]) -> dict:
    body = client.post(f"{url}/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in body, body
    data: dict = body["data"]
    return data


def upload(client: httpx.Client, url: str, picture: bytes) -> tuple[str, str]:
    created = graphql(client, url, CREATE, {"input": {"contentType": "PNG"}})["createUpload"]
    headers = {each["name"]: each["value"] for each in created["target"]["headers"]}
    sent = client.put(created["target"]["url"], content=picture, headers=headers)
    assert sent.status_code == 200, sent.text
    return created["blob"]["id"], created["target"]["url"]


def labelled(client: httpx.Client, url: str, blob_id: str) -> dict:
    query = BLOB.replace("downloadUrl", "downloadUrl thumbnailUrl", 1)
    found: list[dict] = []

    def is_labelled() -> bool:
        found[:] = [graphql(client, url, query, {"id": blob_id})["blob"]]
        return found[0]["status"] == "LABELLED"

    wait_until(is_labelled)
    return found[0]
