"""Prometheus and its promtool, of Debian's package `prometheus`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final, Self

import httpx
import pytest

from tests.support.services.proxies import free_port
from tests.support.waiting import PATIENCE, wait_until

MONITORING: Final = Path(__file__).parents[3] / "monitoring"


def require(program: str) -> str:
    """Return a program's path; skip the test without it, and fail in CI."""
    if found := shutil.which(program):
        return found
    missing = f"{program} is not installed: apt-get install prometheus"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


def promtool(*arguments: str | Path, stdin: str = "") -> str:
    """Run promtool; return what it printed. A failure fails the test."""
    ran = subprocess.run(
        [require("promtool"), *arguments], input=stdin, capture_output=True, text=True, check=False
    )
    printed = ran.stdout + ran.stderr
    assert ran.returncode == 0, printed
    return printed


class Prometheus:
    """Runs Prometheus on loopback with monitoring/prometheus.yml and its rules.

    It scrapes one service over HTTP with a key, each second instead of each 15.
    """

    def __init__(self, folder: Path, service: str, key: str) -> None:
        self._found = require("prometheus")
        folder.mkdir()
        self._folder = folder
        (folder / "key").write_text(key)
        shutil.copy(MONITORING / "alerts.yml", folder)
        text = (MONITORING / "prometheus.yml").read_text()
        for old, new in {
            "15s": "1s",
            "scheme: https": "scheme: http",
            "/etc/prometheus/labelling.key": str(folder / "key"),
            "labels.example.com": service.removeprefix("http://"),
            "127.0.0.1:9093": f"127.0.0.1:{free_port()}",
        }.items():
            assert old in text
            text = text.replace(old, new)
        (folder / "prometheus.yml").write_text(text)

    def __enter__(self) -> Self:
        address = f"127.0.0.1:{free_port()}"
        self._client = httpx.Client(base_url=f"http://{address}", timeout=PATIENCE)
        with (self._folder / "log").open("w") as log:
            self._process = subprocess.Popen(
                [
                    self._found,
                    f"--config.file={self._folder}/prometheus.yml",
                    f"--storage.tsdb.path={self._folder}/data",
                    f"--web.listen-address={address}",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._has_scraped_twice)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._process.terminate()
        self._process.wait(timeout=PATIENCE)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the vector of an expression: `metric` (labels) and `value` of each series."""
        found: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules once each was evaluated, with their `health` and `lastError`."""

        def evaluated() -> list[dict[str, Any]]:
            groups = self._get("rules")["groups"]
            rules = [rule for group in groups for rule in group["rules"]]
            return [] if any(rule["health"] == "unknown" for rule in rules) else rules

        return wait_until(evaluated)

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        answer = self._client.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def _has_scraped_twice(self) -> bool:
        """Two samples are what a rate needs."""
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            if self._client.get("/-/ready").status_code != 200:
                return False
        except httpx.TransportError:
            return False
        return bool(self.query('sum_over_time(up{job="labelling"}[5m]) >= 2'))
