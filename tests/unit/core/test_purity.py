"""What the parts of core may import from outside."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

CORE = Path(__file__).parents[3] / "core"
FILES = sorted(path for part in ("domain", "events") for path in (CORE / part).glob("*.py"))
ALLOWED = sys.stdlib_module_names | {"core", "typing_extensions"}


def imported_by(path: Path) -> set[str]:
    """The top-level packages that a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import():
                names.update(alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module)):
                names.add(module)
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_domain_and_events_use_only_the_standard_library(path: Path) -> None:
    """And typing_extensions, which is the standard library's `typing` for older Pythons."""
    assert imported_by(path) <= ALLOWED
