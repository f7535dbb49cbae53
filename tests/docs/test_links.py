"""Links and paths in the documentation lead to files that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "examples").glob("*.md"),
]
PACKAGES: Final = (
    "api|bench|core|docs|embedded|examples|infra|labeller|monitoring|notifier|requirements|scripts"
    "|tests|web"
)


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)", text):
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and Sphinx make them."""
    headings = re.findall(r"^##+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize(
    # Records describe the code of their day, and the changelog that of its release.
    "page",
    [page for page in PAGES if page.parent.name != "decisions" and page.name != "CHANGELOG.md"],
    ids=name,
)
def test_every_path_of_the_repository_exists(page: Path) -> None:
    for path in re.findall(rf"`((?:{PACKAGES})/[\w./*-]+)`", page.read_text()):
        assert list(ROOT.glob(path.rstrip("/"))), path


def test_decision_records_are_numbered_once() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("0*.md")]
    assert len(numbers) == len(set(numbers))


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    pages = {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages <= set(re.findall(r"^([a-z-]+)$", index, re.MULTILINE))
