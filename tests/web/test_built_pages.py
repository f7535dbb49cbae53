"""The committed pages are those of the sources."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.node import require_node

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("sources", "config", "page"),
    [
        ("gallery", "vite.config.js", "gallery"),
        ("gallery", "admin.config.js", "admin"),
        ("graphiql", "vite.config.js", "graphiql"),
    ],
)
def test_committed_page_is_built_from_the_sources(
    tmp_path: Path, sources: str, config: str, page: str
) -> None:
    """Two changes that are merged need a build of both: run scripts/build-web."""
    web = ROOT / "web" / sources
    require_node(web / "node_modules" / "vite")
    vite = [web / "node_modules" / ".bin" / "vite", "build", "--config", config]
    run = subprocess.run(
        [*vite, "--outDir", tmp_path], cwd=web, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert files_in(ROOT / "embedded" / "web" / page) == files_in(tmp_path)


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
