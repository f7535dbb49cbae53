"""Checks of problem details (RFC 9457)."""

from __future__ import annotations

from typing import Any

import httpx

from api.rest.problems import KINDS


def read_problem(answer: httpx.Response, code: str) -> dict[str, Any]:
    """Check that a response is a problem of a kind; return its detail and extension members."""
    body: dict[str, Any] = answer.json()
    kind = KINDS[code]
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == kind.status
    assert body.pop("type") == f"/docs#{code}"
    assert body.pop("title") == kind.title
    assert body.pop("status") == answer.status_code
    assert body.pop("code") == code
    assert isinstance(body["detail"], str)
    assert body["detail"]
    return body
