"""The README is short, its flow works as shown, and its links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, parse, validate

from scripts.settings_docs import page
from tests.support.images.photos import as_jpeg, photo
from tests.support.services.process import ROOT, ServiceProcess, put
from tests.support.webhooks.receiver import Receiver

README = (ROOT / "README.md").read_text()
EXAMPLES = ROOT / "examples"
OPERATIONS = re.findall(r"```graphql\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServiceProcess]:
    running = ServiceProcess(tmp_path).start()
    yield running
    running.stop()


def test_readme_has_at_most_150_lines() -> None:
    assert len(README.splitlines()) <= 150


def test_readme_sets_up_with_exactly_two_commands() -> None:
    section = README.partition("## Two commands\n")[2].partition("\n## ")[0]
    commands = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert [line.split()[0] for block in commands for line in block.splitlines()] == [
        "./run",
        "./test",
    ]


def test_every_operation_in_the_readme_is_valid() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    assert OPERATIONS
    for operation in OPERATIONS:
        assert validate(schema, parse(operation)) == []


def test_the_flow_of_the_readme_works(service: ServiceProcess) -> None:
    create, query, _subscription = OPERATIONS
    receiver = Receiver()
    try:
        created = service.graphql(create.replace("http://127.0.0.1:9000", receiver.url))
        upload: dict[str, Any] = created["createUpload"]
        put(upload["target"], as_jpeg(photo("coffee.png")))
        post = receiver.wait_for(lambda _: True)
        assert upload["blob"]["id"].encode() in post.body
        found = service.graphql(query, id=upload["blob"]["id"])["blob"]
        assert found["status"] == "LABELLED"
        assert "Coffee" in {label["name"] for label in found["labels"]}
    finally:
        receiver.close()


def test_the_shell_commands_of_the_quick_start_work(
    service: ServiceProcess, tmp_path: Path
) -> None:
    guide = (ROOT / "docs" / "quickstart.md").read_text()
    (tmp_path / "cat.jpg").write_bytes((ROOT / "tests/data/evaluation/cat.jpg").read_bytes())
    (script,) = re.findall(r"```sh\n(URL=.*?)```", guide, re.DOTALL)
    script = script.replace("http://127.0.0.1:8000", service.url).replace("sleep 1\n", "")
    ran = subprocess.run(
        ["sh", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    blob = json.loads(ran.stdout)
    assert blob["status"] in ("LABELLING", "LABELLED")
    service.wait_for(blob["blob_id"], lambda found: "Cat" in str(found["labels"]))


def test_every_link_of_the_readmes_leads_to_a_file() -> None:
    for readme in (ROOT / "README.md", EXAMPLES / "README.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", readme.read_text()):
            assert (readme.parent / target).exists(), target


def test_both_readmes_name_every_example() -> None:
    linked = set(re.findall(r"\]\(examples/([^)]+)\)", README)) - {"README.md"}
    present = {path.name for path in EXAMPLES.iterdir()} - {"README.md", "__pycache__"}
    assert {target.strip("/") for target in linked} == present
    assert set(re.findall(r"\| \[[^]]+\]\(([^)]+)\)", (EXAMPLES / "README.md").read_text())) == (
        present
    )


def test_the_settings_page_is_generated_from_the_code() -> None:
    """`python -m scripts.settings_docs >docs/settings.md` writes it."""
    assert (ROOT / "docs" / "settings.md").read_text() == page()
