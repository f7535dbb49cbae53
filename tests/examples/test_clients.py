"""The clients under examples/, each against the real service."""

from __future__ import annotations

import json
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


def copied(example: str, service: ServiceProcess, folder: Path) -> Path:
    """Copy a Node example into an empty folder, with its packages and the service's schema."""
    original = EXAMPLES / example
    require_node(original / "node_modules" / "typescript")
    copy = folder / example
    tracked = run("git", "ls-files", "-z", cwd=original).split("\0")[:-1]
    for name in tracked:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original / name, copy / name)
    (copy / "node_modules").symlink_to(original / "node_modules")
    script = json.loads((copy / "package.json").read_text())["scripts"]["schema"]
    command = script.replace("http://127.0.0.1:8000", service.url)
    assert service.url in command
    run("npx", "--no-install", *command.split(), cwd=copy)
    return copy


def test_typescript_client_compiles_and_prints_the_labels(
    service: ServiceProcess, cat: Path, tmp_path: Path
) -> None:
    """Its build makes its types from the service's schema, and rejects an unknown field."""
    client = copied("typescript", service, tmp_path)
    run("npm", "run", "build", cwd=client)
    printed = run("node", "dist/client.js", str(cat), f"{service.url}/graphql", cwd=client)
    assert "%  Cat\n" in printed
    source = client / "src" / "client.ts"
    source.write_text(source.read_text().replace("made.blob.id", "made.blob.name"))
    wrong = subprocess.run(
        ["npx", "--no-install", "tsc"], capture_output=True, text=True, check=False, cwd=client
    )
    assert wrong.returncode != 0
    assert "'name' does not exist" in wrong.stdout


@pytest.mark.parametrize("example", ["react-apollo", "react-urql"])
def test_react_page_shows_errors_and_labels(
    example: str, service: ServiceProcess, cat: Path, tmp_path: Path
) -> None:
    require_browser()
    page = copied(example, service, tmp_path)
    run("npm", "run", "build", cwd=page)
    use_page("react.mjs", page / "dist", "index.html", service, cat)


@pytest.mark.parametrize("example", ["react-apollo", "react-urql"])
def test_react_example_is_shorter_than_100_lines(example: str) -> None:
    assert len((EXAMPLES / example / "src" / "main.tsx").read_text().splitlines()) < 100


def use_page(script: str, folder: Path, page: str, service: ServiceProcess, picture: Path) -> None:
    """Serve a folder from another origin of this machine, and use its page in the browser."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/{page}#{service.url}"
        browser = drive(script, address, str(picture))
        printed, complaints = browser.communicate(timeout=120)
        server.shutdown()
    assert browser.returncode == 0, printed + complaints


def test_page_shows_the_labels(service: ServiceProcess, cat: Path) -> None:
    require_browser()
    use_page("frontend.mjs", EXAMPLES, "frontend.html", service, cat)
