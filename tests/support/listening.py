"""Clients of npm's that subscribe, in processes of their own."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any, Self

from tests.support.node import require_node
from tests.support.waiting import PATIENCE

WEB = Path(__file__).parents[1] / "web"


def require_graphql_ws() -> None:
    """Skip or fail the test where the clients are not installed."""
    require_node(WEB / "node_modules" / "graphql-ws")


class Listening:
    """A client in a process of its own; what it prints, line by line."""

    def __init__(self, script: str, asked: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            ["node", str(WEB / script), json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def next(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """Return what it prints next."""
        line = self._lines.get(timeout=seconds)
        assert line is not None, "the client has ended"
        return line

    def rest(self, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """Return all that it prints until its end."""
        lines = []
        while (line := self._lines.get(timeout=seconds)) is not None:
            lines.append(line)
        return lines

    def say(self) -> None:
        """Have it end what it listens to."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)
