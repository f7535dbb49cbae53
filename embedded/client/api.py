"""The service's own API, for commands: GraphQL over HTTP with patience."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

import httpx

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

TIMEOUT: Final = 60.0  # seconds, of each step of a request
MAX_ATTEMPTS: Final = 6
FIRST_PAUSE: Final = 0.5  # seconds, doubled for each try
LONGEST_PAUSE: Final = 30.0
# What passes: too many requests, and a service or a store that can't answer now.
PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_PASSING_CODES: Final = frozenset({"SERVICE_UNAVAILABLE", "TIMEOUT"})


class Unreachable(LabellingError):
    """No service answers, however often it is asked."""


class NotAllowed(LabellingError):
    """The key opens nothing, or not this."""


class Refusal(LabellingError):
    """The service answered that it won't; the message is its own."""


class Stopped(LabellingError):
    """The command was told to stop."""


class ApiClient:
    """Asks one service. Safe to call from several threads at once; close it when done.

    Whatever may pass (RFC 9110, 15.5 and 15.6: 408, 429, 5xx; a connection that is lost) is tried
    again, six times in about half a minute, unless `stopping` is set meanwhile.
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
        # The object store is another host on AWS: it is not to see the key.
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

    def greet(self) -> None:
        """See that a service answers and the key may read, without patience.

        Raises:
            Unreachable, NotAllowed, Refusal: as `ask`.

        """
        self.ask("{ blobs(first: 1) { nodes { id } } }", tries=1)

    def ask(self, query: str, *, tries: int = MAX_ATTEMPTS, **variables: Any) -> dict[str, Any]:
        """Execute an operation and return its data.

        Raises:
            Unreachable: no answer came, or none but that it can't be given now.
            NotAllowed: the key is missing, wrong, or opens something else.
            Refusal: the operation is refused.
            Stopped: `stopping` was set while this waited.

        """

        def post() -> httpx.Response:
            return self._graphql.post("/graphql", json={"query": query, "variables": variables})

        answer = self._patiently(post, tries)
        try:
            body = answer.json()
        except ValueError as exc:
            raise Unreachable(
                f"What answers at {self.url} is no GraphQL (status {answer.status_code}). "
                "Give the service's address as --url."
            ) from exc
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
            raise _refusal(body, answer.status_code)
        if body.get("errors"):
            raise _refusal(body, answer.status_code)
        data: dict[str, Any] = body["data"]
        return data

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Callable[[], Any],
    ) -> httpx.Response:
        """Send bytes to the object store; `content` is made anew for each try.

        Raises Unreachable or Stopped; any other answer is returned.
        """

        def request() -> httpx.Response:
            return self._store.request(method, url, headers=dict(headers), content=content())

        return self._patiently(request, MAX_ATTEMPTS)

    def wait(self, seconds: float) -> None:
        """Wait. Raises Stopped."""
        if self.stopping.wait(seconds):
            raise Stopped("Stopped.")

    def _patiently(self, request: Callable[[], httpx.Response], tries: int) -> httpx.Response:
        pause = FIRST_PAUSE
        for left in reversed(range(tries)):
            if self.stopping.is_set():
                raise Stopped("Stopped.")
            try:
                answer = request()
            except httpx.TransportError as exc:
                if not left:
                    raise Unreachable(
                        f"No service answers at {self.url}: {exc or type(exc).__name__}. "
                        "Start it with ./run, or give its address as --url."
                    ) from exc
            else:
                if not _passes(answer):
                    return answer
                if not left:
                    raise Unreachable(
                        f"The service at {self.url} can't answer now (status "
                        f"{answer.status_code}): {_told(answer)}"
                    )
                pause = max(pause, _retry_after(answer))
            self.wait(min(pause, LONGEST_PAUSE))
            pause *= 2
        raise AssertionError("there is a last try")


def _passes(answer: httpx.Response) -> bool:
    if answer.status_code in PASSING:
        return True
    if "json" not in answer.headers.get("content-type", ""):
        return False
    try:
        errors = answer.json().get("errors") or ()
        return any(each.get("extensions", {}).get("code") in _PASSING_CODES for each in errors)
    except (ValueError, AttributeError):
        return False


def _told(answer: httpx.Response) -> str:
    return " ".join(answer.text.split())[:200] or "try again later."


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0


def _refusal(body: Any, status: int) -> LabellingError:
    try:
        message = str(body["errors"][0]["message"])
        code = body["errors"][0].get("extensions", {}).get("code")
    except (KeyError, IndexError, TypeError, AttributeError):
        return Refusal(f"The service answered with status {status}.")
    if code == "UNAUTHENTICATED":
        return NotAllowed(f"{message} Give it as --key or in LABELLING_KEY.")
    if code == "FORBIDDEN":
        return NotAllowed(message)
    return Refusal(message)
