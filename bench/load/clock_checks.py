"""What receivers and browsers see of a clock that is set: timestamps and ends of sessions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from bench.load.clients import upload
from bench.load.faults import Clock
from tests.support.services.process import ServiceProcess
from tests.support.webhooks.receiver import Received, Receiver

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 300  # seconds by which receivers accept a timestamp ("Standard Webhooks")
KEY_LIFE = timedelta(hours=12)  # less than the step forward, more than the one back
SESSION_LIFE = timedelta(days=14)


class ClockChecks:
    """Checks while the clock is set. `found` has what is wrong.

    Each webhook must be signed, with the time of the service's clock at its attempt. A session ends
    with its key, by that clock, and works again when the clock is right.
    """

    def __init__(self, clock: Clock, service: ServiceProcess, receiver: Receiver) -> None:
        self._clock = clock
        self._service = service
        self._receiver = receiver
        self._secret = Webhook(command(service, "webhook-secret").splitlines()[0])
        hours = int(KEY_LIFE.total_seconds() // 3600)
        self._lasting = command(service, "keys", "create", "--owner", "anna")
        ending = command(service, "keys", "create", "--owner", "anna", "--expires", f"{hours}h")
        self._session, _ = self._sign_in(ending)
        self.webhooks = 0
        self.sessions = 0
        self.found: list[str] = []
        receiver.answer = self._check_webhook

    def check_session(self) -> None:
        """Check a session of before, and a new one, after a step of the clock."""
        self.sessions += 1
        step = self._clock.step
        is_expected = step < KEY_LIFE.total_seconds()
        with self._client() as client:
            answer = client.get("/session", headers={"cookie": self._session})
        if (answer.status_code == 200) is not is_expected:
            self.found.append(f"a session of 12 h: {answer.status_code} at {step:+.0f} s")
        _, end = self._sign_in(self._lasting)
        expected = datetime.now(UTC) + timedelta(seconds=step) + SESSION_LIFE
        if abs((end - expected).total_seconds()) > TOLERANCE:
            self.found.append(f"a new session ends at {end}, not {expected}, at {step:+.0f} s")

    def check_at_the_end(self, picture: bytes) -> Iterator[str]:
        """Yield what is wrong with a webhook and a session now that the clock is right."""
        with self._client() as client:
            blob_id = upload(client, picture, self._receiver.url)
        received = self._receiver.wait_for(lambda each: blob_id in each.body.decode())
        try:
            self._secret.verify(received.body, received.headers)
        except WebhookVerificationError as error:
            yield f"a receiver with the right clock refuses a webhook: {error}"
        self.check_session()
        yield from self.found

    def _check_webhook(self, received: Received) -> int:
        self.webhooks += 1
        seconds = int(received.headers["webhook-timestamp"])
        at, name = datetime.fromtimestamp(seconds, UTC), received.headers["webhook-id"]
        signature = self._secret.sign(name, at, received.body.decode())
        if signature not in received.headers["webhook-signature"].split():
            self.found.append(f"the webhook {name} is not signed")
        if all(abs(seconds - each) > TOLERANCE for each in self._clock.times()):
            self.found.append(f"the webhook {name} of {at} is not of the service's clock")
        return 200

    def _sign_in(self, key: str) -> tuple[str, datetime]:
        """Return the cookie of a new session, and its end."""
        with self._client() as client:
            headers = {"authorization": f"Bearer {key}", "origin": self._service.url}
            answer = client.post("/session", headers=headers).raise_for_status()
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return cookie, datetime.fromisoformat(answer.json()["expires_at"])

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._service.url, timeout=60)


def command(service: ServiceProcess, *words: str) -> str:
    """Run a command on the service's data folder, by the right clock; return what it prints."""
    line = [sys.executable, "-m", "embedded", *words, "--data", str(service.data)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
