"""The client of the public API that commands use."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from embedded.client.api import ApiClient, Stopped, Unreachable
from tests.support.webhooks.certificates import Authority

JSON = {"content-type": "application/json"}
SUCCESS = (200, JSON, b'{"data": {"a": 1}}')


@contextmanager
def serving(
    *responses: tuple[int, dict[str, str], bytes],
    on_request: Callable[[], None] = lambda: None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[tuple[str, list[str]]]:
    """Serve the responses one after the other, the last one again and again.

    Yield the URL and the list of requested paths.
    """
    left, requested = list(responses), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requested.append(self.path)
            on_request()
            self.rfile.read(int(self.headers["content-length"]))
            status, headers, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", requested
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "response",
    [
        (503, {}, b""),
        (429, {"retry-after": "0"}, b"slow down"),
        (200, JSON, b'{"errors": [{"extensions": {"code": "SERVICE_UNAVAILABLE"}}]}'),
    ],
)
def test_temporary_failures_are_retried(
    response: tuple[int, dict[str, str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a request succeeds, at most six attempts."""
    monkeypatch.setattr("embedded.client.api.FIRST_PAUSE", 0.01)
    with serving(response, response, SUCCESS) as (url, requested), ApiClient(url, None) as api:
        assert api.execute("{ a }") == {"a": 1}
        assert requested == ["/graphql"] * 3
    with serving(response) as (url, requested), ApiClient(url, None) as api:
        with pytest.raises(Unreachable):
            api.execute("{ a }")
        assert len(requested) == 6


def test_stopping_ends_the_wait_for_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedded.client.api.FIRST_PAUSE", 600.0)
    stopping = threading.Event()
    with (
        serving((503, {}, b""), on_request=stopping.set) as (url, requested),
        ApiClient(url, None, stopping=stopping) as api,
    ):
        with pytest.raises(Stopped):
            api.execute("{ a }")
        assert requested == ["/graphql"]


def test_url_may_end_in_graphql() -> None:
    """As users copy it from GraphiQL."""
    with serving(SUCCESS) as (url, requested), ApiClient(f"{url}/graphql", None) as api:
        api.execute("{ a }")
        assert requested == ["/graphql"]


def test_authority_of_a_company_is_trusted_by_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, the error names it, and there is no retry."""
    authority = Authority(tmp_path)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    with serving(SUCCESS, tls=authority.server("127.0.0.1")) as (url, requested):
        with ApiClient(url, None) as api, pytest.raises(Unreachable, match="SSL_CERT_FILE"):
            api.execute("{ a }")
        assert requested == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        with ApiClient(url, None) as api:
            assert api.execute("{ a }") == {"a": 1}
