"""GraphiQL, opened in a real browser against the running service."""

from __future__ import annotations

from pathlib import Path

from tests.support.browser import drive, require_browser
from tests.support.images.photos import photo


def test_graphiql_works_with_nothing_but_the_service(service_url: str, tmp_path: Path) -> None:
    """Examples run, documentation loads, and nothing breaks the policy or leaves the origin."""
    require_browser()
    picture = tmp_path / "cat.png"
    picture.write_bytes(photo("chelsea.png"))
    browser = drive("graphiql.mjs", service_url, str(picture))
    printed, complaints = browser.communicate(timeout=180)
    assert browser.returncode == 0, printed + complaints
