"""GraphiQL, opened in a real browser against the running service."""

from __future__ import annotations

from tests.support.browser import drive, require_browser


def test_graphiql_works_with_nothing_but_the_service(service_url: str) -> None:
    """Examples run, documentation loads, and nothing breaks the policy or leaves the origin."""
    require_browser()
    browser = drive("graphiql.mjs", service_url)
    printed, complaints = browser.communicate(timeout=180)
    assert browser.returncode == 0, printed + complaints
