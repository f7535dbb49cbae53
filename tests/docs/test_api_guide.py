"""The examples in docs/api.md run against the real service."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from graphql import parse, validate

from api.graphql.schema import schema
from scripts.api_tables import GUIDE, placed, tables
from tests.support.images.photos import photo
from tests.support.node import require_node
from tests.support.services.process import ROOT, ServiceProcess
from tests.support.webhooks.receiver import Receiver

TEXT = GUIDE.read_text()
HERE = "http://127.0.0.1:8000"
HOOK = "http://127.0.0.1:9000/hook"


@dataclass(frozen=True)
class Example:
    """A section about a root field: an operation and its variables."""

    field: str
    operation: str
    variables: dict[str, Any]


def examples() -> Iterator[Example]:
    sections = re.split(r"^### `(\w+)`$", TEXT, flags=re.MULTILINE)
    for field, section in zip(sections[1::2], sections[2::2], strict=True):
        operation, *further = re.findall(r"```graphql\n(.*?)```", section, re.DOTALL)
        for each in further:
            assert validate(schema._schema, parse(each)) == []
        variables = re.findall(r"```json variables\n(.*?)```", section, re.DOTALL)
        yield Example(field, operation, json.loads(variables[0]) if variables else {})


EXAMPLES = list(examples())


def code(language: str) -> str:
    """Return the first block of code in a language."""
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServiceProcess, Any]]:
    """A service, and a function that replaces the placeholders of examples by real ids."""
    with contextlib.ExitStack() as stack:
        receiver = stack.enter_context(contextlib.closing(Receiver()))
        service = ServiceProcess(tmp_path_factory.mktemp("guide")).start()
        stack.callback(service.stop)
        labelled = service.upload(photo("chelsea.png"), callback=receiver.url)
        failed = service.upload(photo("chelsea.png")[:2000])
        service.wait_for(failed, lambda blob: blob["status"] == "FAILED")
        event = receiver.wait_for(lambda _: True)

        def real(text: str) -> str:
            awaiting = service.create_upload("PNG")["blob_id"] if "AWAITING" in text else ""
            for placeholder, value in (
                ('"LABELLED"', f'"{labelled}"'),
                ('"FAILED"', f'"{failed}"'),
                ('"AWAITING"', f'"{awaiting}"'),
                ('"WEBHOOK"', f'"{event.headers["webhook-id"]}"'),
                (HOOK, receiver.url),
                (HERE, service.url),
            ):
                text = text.replace(placeholder, value)
            return text

        yield service, real


def test_every_root_field_has_an_example() -> None:
    roots = (schema._schema.query_type, schema._schema.mutation_type)
    fields = [name for root in roots if root for name in root.fields]
    if schema._schema.subscription_type:
        fields += schema._schema.subscription_type.fields
    assert sorted(example.field for example in EXAMPLES) == sorted(fields)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.field)
def test_example_returns_data(guide: tuple[ServiceProcess, Any], example: Example) -> None:
    """Its field is in the operation, and its result is not an error."""
    service, real = guide
    operation = real(example.operation)
    assert validate(schema._schema, parse(operation)) == []
    assert re.search(rf"\b{example.field}\b", operation)
    # In a filter these words are statuses, not placeholders of ids.
    variables = example.variables
    if "filter" not in variables:
        variables = json.loads(real(json.dumps(variables)))
    body = {"query": operation, "variables": variables}
    if operation.startswith("subscription"):
        first_event(service, body, example.field)
        return
    answer = httpx.post(f"{service.url}/graphql", json=body, timeout=30)
    assert answer.status_code == 200
    body = answer.json()
    if example.field == "search":  # this service has no text encoder
        assert [each["extensions"]["code"] for each in body["errors"]] == ["NOT_CONFIGURED"]
        return
    assert "errors" not in body, body
    data = body["data"][example.field]
    assert data is not None
    if isinstance(data, dict):
        not_disabled = example.field == "enableWebhookEndpoint"
        assert ("message" in data) is not_disabled, data


def first_event(service: ServiceProcess, body: dict[str, Any], field: str) -> None:
    """Subscribe by Server-Sent Events until the first event."""
    headers = {"accept": "text/event-stream"}
    url = f"{service.url}/graphql"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=30) as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()
        if "blobIds" not in body["query"]:
            next(lines)  # the subscription has begun
            service.upload(photo("chelsea.png"))
        for line in lines:
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                assert "errors" not in event, event
                assert event["data"][field]
                return
    raise AssertionError("no event arrived")


def run(command: list[str], text: str) -> str:
    ended = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_first_request_runs_in_shell_javascript_and_python(
    guide: tuple[ServiceProcess, Callable[[str], str]],
) -> None:
    _, real = guide
    answer = json.loads(run(["sh"], real(code("sh"))))
    count = len(answer["data"]["blobs"]["nodes"])
    assert 2 <= count <= 3
    assert run([sys.executable, "-"], real(code("python"))) in ("2\n", "3\n")
    require_node(ROOT / "tests" / "web" / "node_modules" / "graphql-http")
    assert run(["node", "--input-type=module", "-"], real(code("js"))) in ("2\n", "3\n")


def test_generated_tables_are_up_to_date() -> None:
    """`python -m scripts.api_tables` writes them."""
    for page in tables():
        assert placed(page) == page.read_text()
