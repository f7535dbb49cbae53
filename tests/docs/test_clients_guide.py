"""The programs in docs/clients.md run against the real service."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from graphql import is_scalar_type, is_specified_scalar_type

from api.graphql.schema import schema
from tests.support.images.photos import photo
from tests.support.node import require_node
from tests.support.services.process import ROOT, ServiceProcess, put
from tests.support.waiting import PATIENCE

GUIDE: Final = (ROOT / "docs" / "clients.md").read_text()
NODE_MODULES: Final = ROOT / "tests" / "web" / "node_modules"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    running = ServiceProcess(tmp_path_factory.mktemp("clients")).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def blob_id(service: ServiceProcess) -> str:
    uploaded = service.upload(photo("chelsea.png"))
    service.wait_for(uploaded, lambda blob: blob["status"] == "LABELLED")
    return uploaded


def program(heading: str, language: str, service: ServiceProcess, blob_id: str) -> str:
    section = re.split(rf"\n## {heading}\n", GUIDE)[1].split("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", section, re.DOTALL)
    assert found
    address = service.url.removeprefix("http://")
    return found[1].replace("127.0.0.1:8000", address).replace("'LABELLED'", f"'{blob_id}'")


def run(*command: str, cwd: Path) -> str:
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    ("heading", "package", "printed"),
    [
        ("Apollo Client", "@apollo/client", r"maxLabels: .+\n"),
        ("urql with Graphcache", "@urql/exchange-graphcache", r"maxLabels: .+\n"),
        ("urql", "@urql/core", r".*\bCat\b.*\n"),
        ("urql over WebSocket", "graphql-ws", r"LABELLED\n"),
        ("graphql-ws", "graphql-ws", r"LABELLED\n"),
        ("graphql-sse", "graphql-sse", r"LABELLED\n"),
    ],
)
def test_javascript_program_prints_the_result(
    heading: str,
    package: str,
    printed: str,
    service: ServiceProcess,
    blob_id: str,
    tmp_path: Path,
) -> None:
    require_node(NODE_MODULES / package)
    folder = prepared(heading, service, blob_id, tmp_path)
    assert re.fullmatch(printed, run("node", "program.mjs", cwd=folder))


def test_relay_environment_queries_and_subscribes(
    service: ServiceProcess, blob_id: str, tmp_path: Path
) -> None:
    """The text of an operation stands in for what relay-compiler makes."""
    require_node(NODE_MODULES / "relay-runtime")
    folder = prepared("Relay", service, blob_id, tmp_path)
    file = folder / "program.mjs"
    # relay-runtime is a CommonJS package; a bundler finds its names, Node does not.
    text, changed = re.subn(
        r"import (\{.*\}) from 'relay-runtime';",
        r"import runtime from 'relay-runtime';\nconst \1 = runtime;",
        file.read_text(),
    )
    assert changed == 1
    events = f'blobEvents(filter: {{blobIds: ["{blob_id}"]}}) {{ kind }}'
    operations = {
        "query": "{ labels(first: 10) { nodes { name } } }",
        "subscription": f"subscription {{ {events} }}",
    }
    for kind, operation in operations.items():
        text += f"""
            await new Promise((complete) => environment.getNetwork()
              .execute({{ operationKind: '{kind}', text: `{operation}` }}, {{}}, {{}})
              .subscribe({{ next: (told) => console.log(JSON.stringify(told)), complete }}));
        """
    file.write_text(text + "await socket.dispose();")
    queried, subscribed = run("node", "program.mjs", cwd=folder).splitlines()
    assert '"Cat"' in queried
    assert '"LABELLED"' in subscribed


def prepared(heading: str, service: ServiceProcess, blob_id: str, folder: Path) -> Path:
    """Put a program of Node where it can run; return its folder."""
    (folder / "node_modules").symlink_to(NODE_MODULES)
    shutil.copy(ROOT / "docs" / "possibleTypes.json", folder)
    # Browsers have a WebSocket; Node has one from version 22 on.
    socket = "import { WebSocket } from 'ws';\nglobalThis.WebSocket ??= WebSocket;\n"
    (folder / "program.mjs").write_text(socket + program(heading, "js", service, blob_id))
    return folder


def test_programs_that_subscribe_go_on_after_a_restart(
    service: ServiceProcess, tmp_path: Path
) -> None:
    """They receive the labels of a picture that arrives after it."""
    require_node(NODE_MODULES / "graphql-ws")
    target = service.create_upload("PNG")
    running = []
    for heading in ("urql over WebSocket", "graphql-ws", "graphql-sse"):
        (folder := tmp_path / heading).mkdir()
        prepared(heading, service, target["blob_id"], folder)
        command = ("node", "program.mjs")
        running.append(subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True))
    for each in running:
        assert each.stdout
        assert each.stdout.readline() == "CREATED\n"
    service.restart()
    put(target, photo("coffee.png"))
    for each in running:
        assert each.communicate(timeout=PATIENCE)[0].endswith("LABELLED\n")
        assert each.returncode == 0


def test_code_generator_is_told_every_scalar_of_the_api() -> None:
    own = {
        name
        for name, each in schema._schema.type_map.items()
        if is_scalar_type(each) and not is_specified_scalar_type(each)
    }
    (scalars,) = re.findall(r"scalars: \{ (.*?) \}", GUIDE)
    assert {each.partition(":")[0] for each in scalars.split(", ")} == own


def test_python_program_prints_the_labels(
    service: ServiceProcess, blob_id: str, tmp_path: Path
) -> None:
    text = program("Python", "python", service, blob_id)
    assert re.search(r"\bCat\b", run(sys.executable, "-c", text, cwd=tmp_path))
