"""Starting the embedded service."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from core.domain.webhook_url import CallbackRules
from embedded import serve as serving
from embedded.cli.main import main
from embedded.detection.model import build_in_child, model_at, people_model_at
from embedded.listening import CannotServe, is_loopback, listen, needs_no_key
from embedded.serve import greeting
from embedded.service import Service
from embedded.settings import Settings
from embedded.welcome import welcome
from labeller.detectors.base import DetectorUnusable
from labeller.detectors.registry import MODEL_NAME
from tests.support.images.detectors import ScriptedDetector, thumbnail_here
from tests.support.images.models import link_models
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("signals_restored")


@pytest.fixture
def signals_restored() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def with_model(tmp_path: Path, model_path: Path) -> None:
    """The real model is in the data folder already."""
    link_models(tmp_path, model_path)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("example.org", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_only_loopback_addresses_are_loopback(host: str, loopback: bool) -> None:
    """An unknown name is not."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
@pytest.mark.usefixtures("with_model")
def test_public_address_without_a_key_is_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    """Exit status 1 and the two remedies; the service does not listen."""
    assert main(["serve", "--host", host, "--port", "0", "--data", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert f"labelling keys create --owner NAME --data {tmp_path}" in err
    assert "listen on 127.0.0.1" in err
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    ("host", "public_url", "alone"),
    [
        ("127.0.0.1", None, True),
        ("127.0.0.1", "http://localhost:9000", True),
        ("127.0.0.1", "https://labels.example.com", False),
        ("0.0.0.0", None, False),
        ("0.0.0.0", "http://localhost:9000", False),
    ],
)
def test_public_url_requires_keys_on_a_loopback_address(
    host: str, public_url: str | None, alone: bool
) -> None:
    """A proxy on this machine lets others in."""
    assert needs_no_key(Settings(host=host, public_url=public_url)) is alone


def test_keys_can_be_required_of_a_local_service(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, port=0, require_keys=True)
    assert not needs_no_key(settings)
    with pytest.raises(CannotServe, match="as --require-keys says, and there is no API key yet"):
        serving.serve(settings)


@pytest.mark.usefixtures("with_model")
def test_public_address_with_a_key_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every request then needs a key."""
    assert main(["keys", "create", "--owner", "anna", "--data", str(tmp_path)]) == 0
    told: list[bool] = []

    class Stop(Exception):
        pass

    def service(*_: object, keyless: bool, **__: object) -> None:
        told.append(keyless)
        raise Stop

    # Always loopback: the test must not open a port to others.
    monkeypatch.setattr(serving, "listen", lambda *_: socket.create_server(("127.0.0.1", 0)))
    monkeypatch.setattr(serving, "Service", service)
    with pytest.raises(Stop):
        main(["serve", "--host", "0.0.0.0", "--data", str(tmp_path)])
    with pytest.raises(Stop):
        main(["serve", "--host", "127.0.0.1", "--data", str(tmp_path)])
    assert told == [False, True]


def test_port_in_use_is_an_error_with_a_remedy() -> None:
    """So is a port that does not exist."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotServe, match="Choose another with --host and --port"):
            listen("127.0.0.1", port)
    with pytest.raises(CannotServe, match="port 70000"):
        listen("127.0.0.1", 70000)
    with pytest.raises(CannotServe, match="Can't listen on"):
        listen("a" * 100, 0)


def test_listens_on_ipv4_and_ipv6() -> None:
    """IPv6 if the system has it."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.family is socket.AF_INET
    try:
        with listen("::1", 0) as listener:
            assert listener.family is socket.AF_INET6
    except CannotServe:
        pytest.skip("no IPv6 here")


@pytest.mark.parametrize("model_at", [model_at, people_model_at])
def test_model_is_built_once_by_a_process_of_its_own(
    tmp_path: Path,
    model_path: Path,
    capsys: pytest.CaptureFixture[str],
    model_at: Callable[[Path], Path],
) -> None:
    """The user reads that it is being built. The next start finds it."""
    path = model_at(tmp_path)
    assert path.parent == tmp_path / "model"
    assert path.read_bytes() == model_path.with_name(path.name).read_bytes()
    assert "Building the model" in capsys.readouterr().out
    built = path.stat().st_ino
    assert model_at(tmp_path) == path
    assert path.stat().st_ino == built
    assert capsys.readouterr().out == ""


def test_model_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("not a folder")
    with pytest.raises(DetectorUnusable, match="File exists"):
        build_in_child(tmp_path / "model" / MODEL_NAME)


def test_builder_that_ends_early_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does without enough memory."""
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(DetectorUnusable, match=r"exit status 1\. It needs 210 MB of memory\.$"):
        build_in_child(tmp_path / MODEL_NAME)


def test_welcome_shows_urls_and_commands(tmp_path: Path) -> None:
    """The commands have a key if one is required."""
    text = welcome(
        "http://127.0.0.1:8000",
        tmp_path,
        keyless=True,
        rules=CallbackRules(private=True),
        unconfined=None,
    )
    assert "http://127.0.0.1:8000/graphql" in text
    assert str(tmp_path) in text
    assert "Authorization" not in text
    assert text.count("curl") == 3
    assert "private networks too; --private-callbacks no forbids it" in text
    assert "Decoders  confined\n" in text
    keyed = welcome(
        "https://labels.example",
        tmp_path,
        keyless=False,
        rules=CallbackRules(),
        unconfined="no filter",
    )
    assert "Decoders  not confined: no filter\n" in keyed
    assert (
        "Webhooks  go to public addresses only, by https; --private-callbacks yes allows" in keyed
    )
    assert keyed.count("-H 'Authorization: Bearer YOUR_KEY'") == 2
    assert "https://labels.example/v1/blobs" in keyed


def test_greeting_of_a_json_log_is_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that a collector of both outputs reads JSON alone."""
    for style in ("auto", "text", "json"):
        settings = Settings(data=tmp_path, log_format=style)
        greeting(settings, "http://127.0.0.1:8000", keyless=True, unconfined=None)()
    out = capsys.readouterr().out
    assert out.count("Image labelling is ready.") == 2
    line = json.loads(out.splitlines()[-1])
    assert line["message"] == "Image labelling is ready"
    assert (line["url"], line["data"]) == ("http://127.0.0.1:8000", str(tmp_path))


@pytest.mark.usefixtures("with_model")
def test_second_service_on_one_folder_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 1, with the remedy."""
    first = Service(
        Settings(data=tmp_path),
        ScriptedDetector(),
        base_url="http://127.0.0.1",
        keyless=True,
        make_thumbnail=thumbnail_here,
    )
    try:
        assert main(["serve", "--port", "0", "--data", str(tmp_path)]) == 1
    finally:
        first.stores.database.close()
        os.close(first._lock)
    assert "choose another folder with --data" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("with_model")
def test_serves_until_a_signal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    """It prints the welcome when it can answer, logs the stop, and returns status 0."""
    greeted = threading.Event()
    said: list[str] = []
    seen: dict[str, int | str] = {}

    def say(text: str) -> None:
        said.append(text)
        if "is ready" in text:
            greeted.set()

    def visit() -> None:
        try:
            assert greeted.wait(PATIENCE)
            url = said[-1].split("GraphiQL  ")[1].split("/graphql")[0]
            seen["ready"] = httpx.get(f"{url}/readyz").status_code
            page = httpx.get(f"{url}/graphql", headers={"accept": "text/html"})
            seen["page"] = page.headers.get("content-security-policy", "")
            seen["server"] = page.headers.get("server", "")
        finally:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(serving, "say", say)
    thread = threading.Thread(target=visit)
    thread.start()
    status = main(["serve", "--port", "0", "--data", str(tmp_path), "--workers", "1"])
    thread.join()
    assert status == 0
    logged = [json.loads(line)["message"] for line in capsys.readouterr().err.splitlines()]
    assert logged[-2:] == ["stopping", "stopped"]
    assert seen["ready"] == 200
    assert "default-src 'none'" in str(seen["page"])
    assert seen["server"] == ""
