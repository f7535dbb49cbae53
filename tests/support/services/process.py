"""The real service as a process of its own."""

from __future__ import annotations

import atexit
import json
import os
import queue
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.support.images.models import link_models
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[3]


class ServiceProcess:
    """`labelling serve` on a free loopback port over one data folder, until stopped or killed.

    A failed test leaves no process: each is killed when the tests end. `python` has the program
    installed, and `cwd` is the working directory.
    """

    # Returns a model. Set for a run of the tests (tests/conftest.py): services don't build their
    # models then, and have one labeller instead of one for each processor.
    model: Callable[[], Path] | None = None

    def __init__(
        self,
        data: Path,
        *flags: str,
        python: str | Path = sys.executable,
        cwd: Path = ROOT,
        **environ: str,
    ) -> None:
        self.data = data
        self._python = python
        self._cwd = cwd
        self._flags = flags
        self._environ = environ
        self.logs: queue.Queue[dict[str, Any]] = queue.Queue()

    def start(self) -> ServiceProcess:
        """Start it, and wait until it prints its URL."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("LABELLING_")}
        labellers: tuple[str, ...] = ()
        model = type(self).model
        if model is not None and self._python == sys.executable:
            labellers = ("--workers", "1")
            others = {"--detector", "--classifier"} & set(self._flags)
            if not others and not (self.data / "model").exists():
                link_models(self.data, model())
        self._process = subprocess.Popen(
            [
                *(self._python, "-m", "embedded", "serve", "--port", "0"),
                *("--data", str(self.data), "--log-format", "json", *labellers, *self._flags),
            ],
            cwd=self._cwd,
            env={**kept, **self._environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._process.kill)  # does nothing to one that has ended
        self.printed: list[str] = []
        located: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read_output, args=(located,), daemon=True).start()
        threading.Thread(target=self._read_log, daemon=True).start()
        url = located.get(timeout=PATIENCE)
        if url is None:
            raise AssertionError("did not start:\n" + "\n".join(self.printed))
        self.url = url
        return self

    def restart(self, meanwhile: Callable[[], object] | None = None) -> None:
        """Stop it, call `meanwhile`, and start it again at the same address."""
        port = self.url.rpartition(":")[2]
        assert self.stop() == 0
        if meanwhile:
            meanwhile()
        self._flags = (*self._flags, "--port", port)
        self.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it with a signal; return its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        status = self._process.wait(timeout=PATIENCE)
        self._close()
        return status

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        self._process.kill()
        self._process.wait(timeout=PATIENCE)
        self._close()

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Execute an operation; return its data, and fail on errors."""
        answer = httpx.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=PATIENCE
        )
        body = answer.json()
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data

    def upload(self, picture: bytes, content_type: str = "PNG", callback: str | None = None) -> str:
        """Create an upload and send an image; return the blob's id after the 200."""
        target = self.create_upload(content_type, callback)
        put(target, picture)
        return str(target["blob_id"])

    def create_upload(self, content_type: str, callback: str | None = None) -> dict[str, Any]:
        """Create an upload; return its target, with the blob's id in it."""
        result = self.graphql(CREATE, input={"contentType": content_type, "callbackUrl": callback})
        created = result["createUpload"]
        assert "target" in created, created
        return {**created["target"], "blob_id": created["blob"]["id"]}

    def blob(self, blob_id: str) -> dict[str, Any]:
        """Return a blob from the API."""
        found: dict[str, Any] = self.graphql(BLOB, id=blob_id)["blob"]
        return found

    def wait_for(self, blob_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until `holds` returns true for a blob; return the blob."""
        until = time.monotonic() + PATIENCE
        while not holds(blob := self.blob(blob_id)):
            assert time.monotonic() < until, blob
            time.sleep(0.02)
        return blob

    def wait_for_log(self, message: str, blob_id: str) -> None:
        """Wait for a log line about a blob."""
        while True:
            line = self.logs.get(timeout=PATIENCE)
            if line.get("message") == message and line.get("blob_id") == blob_id:
                return

    def row(self, statement: str, *values: object) -> Any:
        """Return the first row of a query to the service's database."""
        with sqlite3.connect(self.data / "labelling.sqlite") as connection:
            found = connection.execute(statement, values).fetchone()
        connection.close()
        return found

    def _read_output(self, located: queue.Queue[str | None]) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.printed.append(line.rstrip())
            # A line of JSON, or the text of earlier versions.
            if found := re.search(r'"url": "([^"]+)"|GraphiQL\s+(https?://\S+)/graphql', line):
                located.put(found[1] or found[2])
        located.put(None)

    def _read_log(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            try:
                self.logs.put(json.loads(line))
            except ValueError:
                self.printed.append(line.rstrip())

    def _close(self) -> None:
        time.sleep(0.01)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()


def put(target: dict[str, Any], picture: bytes) -> None:
    """Send an image's bytes to an upload target."""
    headers = {header["name"]: header["value"] for header in target["headers"]}
    answer = httpx.put(target["url"], content=picture, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text


CREATE = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    ... on CreatedUpload {
      blob { id status }
      target { method url headers { name value } expiresAt maxBytes }
    }
    ... on Error { __typename message }
  }
}
"""

BLOB = """
query ($id: ID!) {
  blob(id: $id) {
    id status contentType sizeBytes width height createdAt labelledAt downloadUrl
    labels {
      name confidence parents
      instances { confidence boundingBox { left top width height } }
    }
    failure { code message }
    callback { url status nextAttemptAt attempts { at responseStatus errorCode durationMs } }
  }
}
"""
