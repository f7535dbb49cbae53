"""The API as one client sees it."""

from __future__ import annotations

import json
from typing import Any

import httpx

from tests.support.services.app_client import AppClient


class GraphQL:
    """One client with one API key (or none)."""

    def __init__(self, client: AppClient, key: str | None) -> None:
        self.client = client
        self.headers = {} if key is None else {"authorization": f"Bearer {key}"}

    def post(self, query: str, **variables: Any) -> httpx.Response:
        """Send an operation."""
        return self.client.post(
            "/graphql",
            # Not httpx's own JSON: this one can write a lone surrogate.
            content=json.dumps({"query": query, "variables": variables}),
            headers={"content-type": "application/json", **self.headers},
        )

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the data; fail on any error."""
        body = self.post(query, **variables).json()
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    def error(self, query: str, **variables: Any) -> dict[str, Any]:
        """Return the one error; fail when there is none or another."""
        body = self.post(query, **variables).json()
        (error,) = body["errors"]
        found: dict[str, Any] = error
        return found
