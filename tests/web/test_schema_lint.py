"""The schema passes the published rules of @graphql-eslint, except those in schema.eslint.mjs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.node import require_node

ROOT = Path(__file__).parents[2]
WEB = ROOT / "tests" / "web"
ESLINT = WEB / "node_modules" / "eslint"

pytestmark = pytest.mark.slow


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Lint the file schema.graphql in a folder."""
    require_node(ESLINT)
    require_node(WEB / "node_modules" / "@graphql-eslint")
    return subprocess.run(
        ["node", ESLINT / "bin" / "eslint.js", "-c", WEB / "schema.eslint.mjs", "schema.graphql"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_schema_passes_the_linter() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_linter_finds_what_breaks_a_rule(tmp_path: Path) -> None:
    """One of each set of rules: recommended, Relay's, and the stricter one."""
    schema = (ROOT / "schema.graphql").read_text()
    faults = {
        '  """Size in bytes': '  """Size."""\n  Size_bytes: Int\n\n  """Size in bytes',
        "  hasNextPage: Boolean!": "  hasNextPage: Boolean",
        '  """Left edge, measured from the left."""\n': "",
    }
    for sound, faulty in faults.items():
        assert sound in schema
        schema = schema.replace(sound, faulty, 1)
    (tmp_path / "schema.graphql").write_text(schema)
    done = lint(tmp_path)
    assert done.returncode == 1, done.stderr
    for rule in ("naming-convention", "relay-page-info", "require-description"):
        assert f"@graphql-eslint/{rule}" in done.stdout, done.stdout
