"""The gallery's code without a browser: its state, its types and its operations."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from graphql import build_schema

from embedded.client.exporter import CsvWriter, JsonLinesWriter, Writer, row_of
from scripts.check_operations import operations, problems
from tests.support.node import require_node

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "web" / "gallery"
BUILT = ROOT / "embedded" / "web" / "gallery"


def test_state_of_the_gallery_behaves() -> None:
    """Node's own test runner, over the modules that the page consists of."""
    require_node(GALLERY / "node_modules" / "preact")
    files = sorted((ROOT / "tests" / "web" / "gallery").glob("*.test.mjs"))
    assert files
    run = subprocess.run(["node", "--test", *files], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_types_of_the_gallery_agree() -> None:
    """TypeScript reads the types in the comments."""
    require_node(GALLERY / "node_modules" / "typescript")
    compiler = GALLERY / "node_modules" / ".bin" / "tsc"
    run = subprocess.run([compiler, "-p", GALLERY], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def test_first_load_is_small() -> None:
    """The page, and what it names: what is loaded before the first pictures."""
    page = BUILT / "index.html"
    named = re.findall(r'(?:src|href)="\./(gallery/assets/[^"]+\.(?:js|css))"', page.read_text())
    assert len(named) >= 2
    size = sum(
        len(gzip.compress(path.read_bytes())) for path in (page, *map(BUILT.joinpath, named))
    )
    assert size <= 30_000, size


def test_wrong_operations_are_found() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    known = operations()
    assert {"LIST", "PICTURE", "EVENTS", "EXPORT"} <= known.keys()
    assert all(problems(schema, text) == [] for text in known.values())
    picture = known["PICTURE"]
    assert problems(schema, picture.replace("createdAt", "madeAt", 1))
    assert problems(schema, known["EVENTS"].replace("EventFilter!", "BlobFilter!"))
    assert problems(schema, "query {")


def label_of(name: str, *, boxes: int = 0, **more: Any) -> dict[str, Any]:
    box = {"left": 0.25, "top": 0.5, "width": 0.125, "height": 1e-05}
    instances = [{"confidence": 91.25, "boundingBox": box}] * boxes
    kept = {"parents": ['Pet, "tame"', "Animal"], "aliases": [], "categories": ["-5"]}
    given = {"source": "DETECTOR", "confirmedAt": None, "instances": instances, **more}
    return {"name": name, "confidence": 90.123456, **kept, **given}


def node_of(blob_id: str, **more: Any) -> dict[str, Any]:
    names = ("sizeBytes", "sha256", "width", "height", "labelledAt", "fileName", "externalId")
    plain = {"id": blob_id, "status": "LABELLED", "contentType": "JPEG", "createdAt": "2026-01-31"}
    rest = {"metadata": [], "detector": None, "failure": None, "labels": None}
    return {**plain, **dict.fromkeys(names), **rest, **more}


def test_the_gallery_exports_what_the_command_exports() -> None:
    """The same columns and values, of texts that CSV has to quote too."""
    require_node(GALLERY / "node_modules" / "preact")
    confirmed = label_of("=Café", source="OWNER", confirmedAt="2026-02-01")
    pairs = [{"key": "album", "value": '1, "a"'}, {"key": "é", "value": "@x\ny"}]
    nodes = [
        node_of("a", labels=[label_of("Cat", boxes=2), confirmed], width=451, sizeBytes=10),
        node_of("b", labels=[], detector={"name": "eye", "version": "2.5"}, metadata=pairs),
        node_of("c", fileName="-1.jpg", externalId='+"1", 2', detector={"name": "eye"}),
        node_of("d", failure={"code": "CORRUPT_IMAGE", "message": "It breaks off, early."}),
    ]
    program = [str(ROOT / "tests" / "web" / "export.mjs")]
    run = subprocess.run(
        ["node", *program], input=json.dumps(nodes), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    by_command = {"csv": io.StringIO(newline=""), "jsonl": io.StringIO()}
    writers: list[Writer] = [CsvWriter(by_command["csv"]), JsonLinesWriter(by_command["jsonl"])]
    for row in map(row_of, nodes):
        for writer in writers:
            writer.write(row)
    lines = by_command["jsonl"].getvalue().splitlines()
    assert list(map(json.loads, found["jsonl"].splitlines())) == list(map(json.loads, lines))
    expected = list(csv.reader(by_command["csv"].getvalue().splitlines(keepends=True)))
    exported = list(csv.reader(found["csv"].splitlines(keepends=True)))
    assert found["csv"].endswith("\r\n")
    assert [list(map(value_of, row)) for row in exported] == [
        list(map(value_of, row)) for row in expected
    ]


def value_of(cell: str) -> object:
    """Return what a cell with JSON or a number contains: programs space and write these apart."""
    try:
        return json.loads(cell)
    except ValueError:
        return cell
