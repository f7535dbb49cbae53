"""Fixtures for every test: a clock set by hand, real stores, the real model, loopback only."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from core.backends.sqlite import Database
from embedded.version import running_version
from labeller.detectors import efficientnet_lite, ssdlite
from labeller.detectors.registry import MODEL_NAME, PEOPLE_MODEL_NAME
from tests.support.services.databases import open_database
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.process import ServiceProcess
from tests.support.shared import made_once
from tests.support.webhooks.receiver import Receiver

UNIT = Path(__file__).parent / "unit"

# onnxruntime would report to Microsoft, from the tests that import it themselves.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

running_version()  # of git, which most tests may not start; the answer is kept

# No test measures time: a machine may be busy. Fixtures are not made again for each example.
UNTIMED = {
    "deadline": None,
    "suppress_health_check": [
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
}
# By default every run tries the same few examples; new ones are looked for at night.
settings.register_profile("default", max_examples=50, derandomize=True, **UNTIMED)
settings.register_profile("nightly", max_examples=1000, print_blob=True, **UNTIMED)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "default")
settings.load_profile(PROFILE)
NIGHTLY = PROFILE == "nightly"

# A shell has what it runs in the background ignore Ctrl-C, and so would whatever is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class SettableClock:
    """Time stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 12, 0, 0, 123000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        """Move time on."""
        self.now += by


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real classifier, built once for all workers; the model of people is beside it."""
    return made_model(tmp_path_factory)


@pytest.fixture(scope="session", autouse=True)
def model_of_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have the services that tests start share that model."""
    with pytest.MonkeyPatch.context() as patched:
        made = staticmethod(partial(made_model, tmp_path_factory))
        patched.setattr(ServiceProcess, "model", made)
        yield


def made_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the classifier of this run of the tests."""

    def build(folder: Path) -> None:
        folder.mkdir()
        efficientnet_lite.build_model(folder / MODEL_NAME)
        ssdlite.build_model(folder / PEOPLE_MODEL_NAME)

    return made_once(tmp_path_factory, "model", build) / MODEL_NAME


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all that is outside tests/unit: it starts processes or stands in for a cloud."""
    for item in items:
        if UNIT not in item.path.parents:
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def slow_if_marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to start a process in a test that is not marked as slow."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a test that starts a process needs @pytest.mark.slow")

    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(subprocess.Popen, "__init__", refused)


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to connect to any other machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and not ipaddress.ip_address(address[0]).is_loopback:
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def stores(tmp_path: Path, clock: SettableClock) -> Iterator[EmbeddedStores]:
    """Real stores in a temporary folder."""
    stores = EmbeddedStores(tmp_path, clock)
    yield stores
    stores.close()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A database of the embedded service, without records."""
    opened = open_database(tmp_path / "labelling.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    listening = Receiver()
    yield listening
    listening.close()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of the person who runs the tests."""
    for name in os.environ:
        if name.startswith("LABELLING_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def logging_restored() -> Iterator[None]:
    """Restore the process's logging set-up after the test."""
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn")
    kept = (root.handlers[:], root.level, uvicorn.level)
    yield
    root.handlers[:], level, uvicorn_level = kept
    root.setLevel(level)
    uvicorn.setLevel(uvicorn_level)
