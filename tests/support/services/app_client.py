"""An ASGI application called without a network, from ordinary (not async) tests."""

from __future__ import annotations

from functools import partial
from typing import Any, Self

import httpx
from anyio.from_thread import start_blocking_portal


class AppClient:
    """An HTTP client whose requests go straight into the application."""

    def __init__(self, app: Any, base_url: str = "http://testserver") -> None:
        self._app = app
        self._base_url = base_url

    def __enter__(self) -> Self:
        self._portals = start_blocking_portal("asyncio")
        self._portal = self._portals.__enter__()
        transport = httpx.ASGITransport(self._app)
        self._client = httpx.AsyncClient(transport=transport, base_url=self._base_url)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._portal.call(self._client.aclose)
        self._portals.__exit__(*exc_info)

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send a request; an exception that the application lets out comes out here."""
        answer: httpx.Response = self._portal.call(
            partial(self._client.request, method, url, **options)
        )
        return answer

    def get(self, url: str, **options: Any) -> httpx.Response:
        """Send a GET."""
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        """Send a POST."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> httpx.Response:
        """Send a PUT."""
        return self.request("PUT", url, **options)
