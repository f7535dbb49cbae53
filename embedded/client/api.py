"""A client of the public API for commands: GraphQL over HTTP with retries."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import httpx

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

TIMEOUT: Final = 60.0  # seconds for each step of a request
MAX_ATTEMPTS: Final = 6
FIRST_PAUSE: Final = 0.5  # seconds before the first retry, doubled for each further one
MAX_PAUSE: Final = 30.0
# Statuses (RFC 9110, 15.5 and 15.6; RFC 6585, 4) and GraphQL error codes worth a retry.
_RETRYABLE_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})
_RETRYABLE_CODES: Final = frozenset({"SERVICE_UNAVAILABLE", "TIMEOUT"})


class Unreachable(LabellingError):
    """No service answered, retries included."""


class NotAllowed(LabellingError):
    """The API key is missing or unknown, or does not allow the operation."""


class RequestRejected(LabellingError):
    """The service rejected the request; the message is the service's."""


class Stopped(LabellingError):
    """`stopping` was set while the client was about to wait or send."""


class ApiClient:
    """Sends requests to one service. Safe to call from several threads at once; close it after use.

    Lost connections, 408, 429 and 5xx are retried for about half a minute, unless `stopping` is
    set meanwhile.
    """

    def __init__(
        self, url: str, key: str | None, *, stopping: threading.Event | None = None
    ) -> None:
        base = url.rstrip("/").removesuffix("/graphql")
        self.url = base
        self.stopping = stopping or threading.Event()
        headers = {"authorization": f"Bearer {key}"} if key else {}
        try:
            self._graphql = httpx.Client(base_url=base, headers=headers, timeout=TIMEOUT)
        except (httpx.InvalidURL, ValueError) as exc:
            raise Unreachable(f"--url {url}: {exc}") from exc
        # On AWS the object store is another host: it must not receive the API key.
        self._store = httpx.Client(timeout=TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._graphql.close()
        self._store.close()

    def check_access(self) -> None:
        """Check, without retries, that a service answers and that the API key may read.

        Raises:
            Unreachable, NotAllowed, RequestRejected: as `execute`.

        """
        self.execute("{ blobs(first: 1) { nodes { id } } }", max_attempts=1)

    def execute(
        self, query: str, *, max_attempts: int = MAX_ATTEMPTS, **variables: Any
    ) -> dict[str, Any]:
        """Execute a GraphQL operation and return its data.

        Raises:
            Unreachable: no GraphQL service answered, or it was unavailable at every attempt.
            NotAllowed: the API key is missing, unknown, or lacks a scope.
            RequestRejected: the service rejected the operation.
            Stopped: `stopping` was set before an attempt.

        """

        def post() -> httpx.Response:
            return self._graphql.post("/graphql", json={"query": query, "variables": variables})

        response = self._send_with_retries(post, max_attempts)
        try:
            body = response.json()
        except ValueError as exc:
            raise Unreachable(
                f"The server at {self.url} is not the labelling service (its answer with status "
                f"{response.status_code} is not JSON). Give the service's address as --url."
            ) from exc
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
            raise _error_from(body, response.status_code)
        if body.get("errors"):
            raise _error_from(body, response.status_code)
        data: dict[str, Any] = body["data"]
        return data

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Callable[[], Any],
    ) -> httpx.Response:
        """Send bytes to the object store, with `content()` as the body of each attempt.

        Return the response, whatever its status. Raises Unreachable, Stopped.
        """

        def request() -> httpx.Response:
            return self._store.request(method, url, headers=dict(headers), content=content())

        return self._send_with_retries(request, MAX_ATTEMPTS)

    def wait(self, seconds: float) -> None:
        """Wait for some seconds. Raises Stopped once `stopping` is set."""
        if self.stopping.wait(seconds):
            raise Stopped("Stopped.")

    def _send_with_retries(
        self, request: Callable[[], httpx.Response], max_attempts: int
    ) -> httpx.Response:
        pause = FIRST_PAUSE
        for left in reversed(range(max_attempts)):
            if self.stopping.is_set():
                raise Stopped("Stopped.")
            try:
                response = request()
            except httpx.TransportError as exc:
                if "CERTIFICATE_VERIFY_FAILED" in str(exc):  # no retry helps
                    raise Unreachable(
                        f"The certificate of {self.url} can't be verified: {exc}. If an authority "
                        "of your own issued it, name that one's certificate (PEM) in SSL_CERT_FILE."
                    ) from exc
                if not left:
                    raise Unreachable(
                        f"No service answers at {self.url}: {exc or type(exc).__name__}. "
                        "Start it with ./run, or give its address as --url."
                    ) from exc
            else:
                if not _is_retryable(response):
                    return response
                if not left:
                    raise Unreachable(
                        f"The service at {self.url} is unavailable (status "
                        f"{response.status_code}): {_body_of(response)}"
                    )
                pause = max(pause, _retry_after(response))
            self.wait(min(pause, MAX_PAUSE))
            pause *= 2
        raise AssertionError("the last attempt always returns or raises")


def _is_retryable(response: httpx.Response) -> bool:
    if response.status_code in _RETRYABLE_STATUSES:
        return True
    if "json" not in response.headers.get("content-type", ""):
        return False
    try:
        errors = response.json().get("errors") or ()
        return any(each.get("extensions", {}).get("code") in _RETRYABLE_CODES for each in errors)
    except (ValueError, AttributeError):
        return False


def _body_of(response: httpx.Response) -> str:
    return " ".join(response.text.split())[:200] or "try again later."


def _retry_after(response: httpx.Response) -> float:
    """Return the seconds of Retry-After (RFC 9110, 10.2.3), 0 for none or a date."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _error_from(body: Any, status: int) -> LabellingError:
    try:
        message = str(body["errors"][0]["message"])
        code = body["errors"][0].get("extensions", {}).get("code")
    except (KeyError, IndexError, TypeError, AttributeError):
        return RequestRejected(f"The service answered with status {status}.")
    if code == "UNAUTHENTICATED":
        return NotAllowed(f"{message} Give an API key as --key or in LABELLING_KEY.")
    if code == "FORBIDDEN":
        return NotAllowed(message)
    return RequestRejected(message)
