"""The clients under examples/, each against the real service."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.support.browser import drive, require_browser
from tests.support.images.photos import photo
from tests.support.node import require_node
from tests.support.services.process import ROOT, ServiceProcess
from tests.support.services.processes import children
from tests.support.waiting import PATIENCE, wait_until

EXAMPLES = ROOT / "examples"
NODE_EXAMPLES = ("typescript", "react-apollo", "react-urql")


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
    run("npm", "run", "schema", "--", service.url, cwd=copy)
    return copy


@pytest.fixture(scope="module")
def typescript(service: ServiceProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the client in TypeScript, built."""
    client = copied("typescript", service, tmp_path_factory.mktemp("typescript"))
    run("npm", "run", "build", cwd=client)
    return client


def test_typescript_client_compiles_and_prints_the_labels(
    service: ServiceProcess, cat: Path, typescript: Path
) -> None:
    """Its build makes its types from the service's schema, and rejects an unknown field."""
    client = typescript
    printed = run("node", "dist/client.js", str(cat), f"{service.url}/graphql", cwd=client)
    assert "%  Cat\n" in printed
    source = client / "src" / "client.ts"
    source.write_text(source.read_text().replace("made.blob.id", "made.blob.name"))
    wrong = subprocess.run(
        ["npx", "--no-install", "tsc", "--noEmit"],
        capture_output=True,
        text=True,
        check=False,
        cwd=client,
    )
    assert wrong.returncode != 0
    assert "'name' does not exist" in wrong.stdout


def test_clients_print_the_labels_although_the_service_restarts(
    service: ServiceProcess, typescript: Path, tmp_path: Path
) -> None:
    """Both subscribe again: the one in Python by WebSocket, that in TypeScript by HTTP."""
    stop_detectors(service)
    commands = (
        (sys.executable, EXAMPLES / "client.py", tmp_path / "one.png", "--url"),
        ("node", typescript / "dist" / "client.js", tmp_path / "two.png"),
    )
    waiting = []
    for number, command in enumerate(commands, start=1):
        Path(command[2]).write_bytes(photo("chelsea.png") + bytes(number))
        started = [*map(str, command), f"{service.url}/graphql"]
        waiting.append(subprocess.Popen(started, stdout=subprocess.PIPE, text=True))
    wait_until(lambda: subscriptions(service) == len(commands))
    service.restart()
    for process in waiting:
        assert "%  Cat\n" in process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0


def test_schema_of_a_service_that_does_not_answer_is_an_error_with_its_address(
    tmp_path: Path,
) -> None:
    """Of each example; the message says how to name another, and there is no stack trace."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    scripts = {(EXAMPLES / name / "schema.mjs").read_text() for name in NODE_EXAMPLES}
    assert len(scripts) == 1
    require_node(EXAMPLES / "typescript" / "node_modules" / "graphql")
    ended = subprocess.run(
        ["node", str(EXAMPLES / "typescript" / "schema.mjs")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "LABELLING_URL": address},
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        f"{address} does not answer (ECONNREFUSED). "
        "Start the service, or name another: npm run schema -- URL\n"
    )
    assert not list(tmp_path.iterdir())


def test_schema_of_a_service_that_needs_a_key_is_an_error_that_names_the_variable(
    tmp_path: Path,
) -> None:
    require_node(EXAMPLES / "typescript" / "node_modules" / "graphql")
    with answering(401) as address:
        ended = subprocess.run(
            ["node", str(EXAMPLES / "typescript" / "schema.mjs"), address],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
    assert ended.returncode == 1
    assert ended.stderr == f"{address} needs an API key: set LABELLING_KEY to a valid one.\n"


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Answer every POST with an error of GraphQL; return the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b'{"errors": [{"message": "A valid API key is needed."}]}'
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("client", ["python", "typescript"])
def test_client_without_a_service_names_the_address(
    client: str, cat: Path, request: pytest.FixtureRequest
) -> None:
    """The message is one line without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/graphql"
    if client == "python":
        command = [sys.executable, str(EXAMPLES / "client.py"), str(cat), "--url", address]
    else:
        built = request.getfixturevalue("typescript")
        command = ["node", str(built / "dist" / "client.js"), str(cat), address]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{address} does not answer. Start the service")
    assert ended.stderr.count("\n") == 1


def stop_detectors(service: ServiceProcess) -> None:
    """Have each picture wait for its labels until the service is restarted."""
    for detector in children(service.pid):
        os.kill(detector, signal.SIGSTOP)


def subscriptions(service: ServiceProcess) -> int:
    told = httpx.get(f"{service.url}/metrics", timeout=PATIENCE).text
    found = re.search(r'^labelling_in_progress\{kind="subscriptions"\} (\d+)', told, re.MULTILINE)
    assert found, told
    return int(found[1])


@pytest.mark.parametrize("example", ["react-apollo", "react-urql"])
def test_react_page_shows_errors_and_labels_also_after_a_restart(
    example: str, service: ServiceProcess, cat: Path, tmp_path: Path
) -> None:
    """The service is restarted while the page waits for labels; the page says that it is away."""
    require_browser()
    page = copied(example, service, tmp_path)
    run("npm", "run", "build", cwd=page)
    said: list[str] = []
    with browser_on("react.mjs", page / "dist", "index.html", service, cat) as browser:
        assert browser.stdin
        assert browser.stdout
        if browser.stdout.readline() == "ready\n":
            stop_detectors(service)
            browser.stdin.write("\n")
            browser.stdin.flush()
            assert browser.stdout.readline() == "waiting\n"
            read = browser.stdout.readline
            service.restart(lambda: said.append(read()))
            assert said == ["away\n"]


@pytest.mark.parametrize("example", ["react-apollo", "react-urql"])
def test_each_file_of_a_react_example_is_shorter_than_100_lines(example: str) -> None:
    files = [*(EXAMPLES / example / "src").glob("*.ts*")]
    assert len(files) == 4
    for file in files:
        assert len(file.read_text().splitlines()) < 100, file


@pytest.mark.parametrize("name", ["operations.ts", "service.ts", "upload.ts"])
def test_react_examples_share_what_does_not_depend_on_the_library(name: str) -> None:
    one, other = (EXAMPLES / each / "src" / name for each in ("react-apollo", "react-urql"))
    assert one.read_text() == other.read_text()


@contextmanager
def browser_on(
    script: str, folder: Path, page: str, service: ServiceProcess, picture: Path
) -> Iterator[subprocess.Popen[str]]:
    """Serve a folder from another origin of this machine, and use its page in the browser."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/{page}#{service.url}"
        browser = drive(script, address, str(picture))
        yield browser
        printed, complaints = browser.communicate(timeout=120)
        server.shutdown()
    assert browser.returncode == 0, printed + complaints


def test_page_shows_the_labels(service: ServiceProcess, cat: Path) -> None:
    require_browser()
    with browser_on("frontend.mjs", EXAMPLES, "frontend.html", service, cat):
        pass
