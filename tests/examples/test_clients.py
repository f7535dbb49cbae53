"""The clients under examples/, each against the real service."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.browser import drive, require_browser
from tests.support.node import require_node
from tests.support.photos import photo
from tests.support.process import ROOT, ServiceProcess

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    running = ServiceProcess(tmp_path_factory.mktemp("clients")).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(photo("chelsea.png"))
    return path


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a command to its end; return what it printed."""
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=180, check=False, cwd=cwd
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_python_client_prints_the_labels(service: ServiceProcess, cat: Path) -> None:
    printed = run(
        sys.executable, str(EXAMPLES / "client.py"), str(cat), "--url", f"{service.url}/graphql"
    )
    assert "%  Cat\n" in printed


def test_typescript_client_compiles_and_prints_the_labels(
    service: ServiceProcess, cat: Path, tmp_path: Path
) -> None:
    """Its build makes its types from schema.graphql."""
    client = EXAMPLES / "typescript"
    require_node(client / "node_modules" / "typescript")
    run("npm", "run", "build", cwd=client)
    printed = run("node", str(client / "dist" / "client.js"), str(cat), f"{service.url}/graphql")
    assert "%  Cat\n" in printed


def test_unknown_field_is_a_compiler_error_of_the_typescript_client(tmp_path: Path) -> None:
    client = EXAMPLES / "typescript"
    require_node(client / "node_modules" / "typescript")
    wrong = tmp_path / "typescript"
    shutil.copytree(
        client, wrong, ignore=shutil.ignore_patterns("node_modules", "dist", "schema.d.ts")
    )
    (wrong / "node_modules").symlink_to(client / "node_modules")
    (tmp_path / "schema.graphql").write_text((ROOT / "schema.graphql").read_text())
    settings = (wrong / "tsconfig.json").read_text()
    (wrong / "tsconfig.json").write_text(settings.replace("../../schema", "../schema"))
    source = (wrong / "src" / "client.ts").read_text()
    (wrong / "src" / "client.ts").write_text(source.replace("made.blob.id", "made.blob.name"))
    ended = subprocess.run(
        ["npm", "run", "build"], capture_output=True, text=True, check=False, cwd=wrong
    )
    assert ended.returncode != 0
    assert "'name' does not exist" in ended.stdout


def test_page_shows_the_labels(service: ServiceProcess, cat: Path) -> None:
    """It comes from another origin of this machine."""
    require_browser()
    handler = partial(SimpleHTTPRequestHandler, directory=str(EXAMPLES))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{server.server_port}/frontend.html#{service.url}"
        browser = drive("frontend.mjs", page, str(cat))
        printed, complaints = browser.communicate(timeout=120)
        server.shutdown()
    assert browser.returncode == 0, printed + complaints
