"""The gallery's code without a browser: its state, its types and its operations."""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

from graphql import build_schema

from scripts.check_operations import OPERATIONS, documents, problems
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
    operations = documents(OPERATIONS.read_text())
    assert {"LIST", "PICTURE", "EVENTS"} <= operations.keys()
    assert all(problems(schema, text) == [] for text in operations.values())
    picture = operations["PICTURE"]
    assert problems(schema, picture.replace("createdAt", "madeAt", 1))
    assert problems(schema, operations["EVENTS"].replace("EventFilter!", "BlobFilter!"))
    assert problems(schema, "query {")
