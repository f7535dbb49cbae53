"""Folders of pictures, uploaded by the command through the public API."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from embedded.cli.main import main
from embedded.client.api import ApiClient, Stopped, Unreachable
from embedded.client.importer import digest_of, files_in
from embedded.client.progress import shown
from tests.support.photos import photo
from tests.support.process import ROOT, ServiceProcess


def picture(number: int, kind: str = "PNG") -> bytes:
    """A small picture, another for each number."""
    out = io.BytesIO()
    Image.new("RGB", (96, 64), (number % 256, number // 256, 90)).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, model_path: Path) -> Iterator[ServiceProcess]:
    started = a_service(tmp_path_factory.mktemp("import"), model_path).start()
    yield started
    started.stop()


def a_service(data: Path, model_path: Path, *flags: str) -> ServiceProcess:
    (data / "model").mkdir(parents=True)
    (data / "model" / model_path.name).symlink_to(model_path)
    return ServiceProcess(data, "--faces", "no", *flags)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    return made


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(service: ServiceProcess, capsys: pytest.CaptureFixture[str]) -> Run:
    """Import by the command; return its exit status, and what it printed and said."""

    def run(*arguments: object, url: str = service.url) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["import", "--url", url, *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


def kept(service: ServiceProcess) -> dict[str, tuple[str, int]]:
    """Of each digest on record: the status of the last of its blobs, and how many there are."""
    page = service.graphql(
        "{ blobs(first: 100) { nodes { sha256 status } pageInfo { hasNextPage } } }"
    )["blobs"]
    assert not page["pageInfo"]["hasNextPage"]
    found: dict[str, tuple[str, int]] = {}
    for each in reversed(page["nodes"]):
        count = found.get(each["sha256"], ("", 0))[1]
        found[each["sha256"]] = each["status"], count + 1
    return found


def test_a_folder_is_uploaded_once(run: Run, service: ServiceProcess, folder: Path) -> None:
    """Whatever its depth, each picture as what it is; given again, nothing is sent."""
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "cat.dat").write_bytes(photo("chelsea.png"))
    (folder / "deep" / "er" / "coffee.jpg").write_bytes(picture(1, "GIF"))
    (folder / "deep" / "twin.png").write_bytes(picture(1, "GIF"))
    (folder / "notes.txt").write_text("no picture")
    (folder / "empty.png").touch()
    (folder / ".hidden.png").write_bytes(picture(2))
    (folder / "loop").symlink_to(folder)
    status, out, _ = run(folder, "--wait")
    assert status == 0
    assert out.startswith("2 uploaded (0.2 MB), 1 there already, 2 skipped, 0 failed.\n")
    assert "notes.txt: of an unknown format, no picture that is taken\n" in out
    assert "empty.png: empty, no picture that is taken\n" in out
    assert out.endswith("2 labelled, 0 failed.\n")
    on_record = kept(service)
    for name in ("cat.dat", "deep/er/coffee.jpg"):
        assert on_record[digest_of(folder / name)[0]] == ("LABELLED", 1)
    status, out, _ = run(folder)
    assert (status, out.split("\n")[0]) == (0, "0 uploaded, 3 there already, 2 skipped, 0 failed.")
    assert kept(service) == on_record


def test_wishes_go_with_every_upload(run: Run, service: ServiceProcess, folder: Path) -> None:
    """How many labels, how sure, and who is told."""
    path = folder / "a.png"
    path.write_bytes(photo("coffee.png"))
    wishes = ("--max-labels", "3", "--min-confidence", "20.5", "--callback-url", "http://[::1]:9/x")
    assert run(path, *wishes)[0] == 0
    asked = "query ($d: String) { blobs(filter: {sha256: $d}) { nodes { id callback { url } } } }"
    (blob,) = service.graphql(asked, d=digest_of(path)[0])["blobs"]["nodes"]
    assert blob["callback"]["url"] == "http://[::1]:9/x"
    (document,) = service.row("SELECT document FROM blobs WHERE id = ?", blob["id"])
    record = json.loads(document)
    assert (record["max_labels"], record["min_confidence"]) == (3, 20.5)


def test_what_failed_is_named_with_its_reason(run: Run, folder: Path) -> None:
    """And the exit status tells; a failure of the labeller's is told by --wait."""
    (folder / "large.png").write_bytes(picture(3) + bytes(50_000_001))
    (folder / "broken.png").write_bytes(photo("chelsea.png")[:5000])
    status, out, _ = run(folder, "--wait")
    assert status == 1
    assert "large.png: sizeBytes must be from 1 to 50000000\n" in out
    assert "1 uploaded" in out
    assert "0 labelled, 1 failed.\n" in out
    assert "broken.png: The picture is damaged" in out
    # The same bytes would fail again, so that they count as there.
    (folder / "large.png").unlink()
    assert run(folder)[1].startswith("0 uploaded, 1 there already")


def test_a_blob_of_another_declaration_is_no_hindrance(
    run: Run, service: ServiceProcess, folder: Path
) -> None:
    """The type is told by the content, so that this time it can be labelled."""
    path = folder / "odd"
    path.write_bytes(picture(4))
    blob_id = service.upload(path.read_bytes(), "JPEG")
    service.wait_for(blob_id, lambda blob: blob["status"] == "FAILED")
    assert run(path, "--wait")[1].endswith("1 labelled, 0 failed.\n")


def test_a_promise_made_before_is_kept(run: Run, service: ServiceProcess, folder: Path) -> None:
    """A blob that an earlier run asked for takes the bytes; one for other wishes stands aside."""
    for number, wishes in ((5, {}), (6, {"maxLabels": 2})):
        path = folder / f"{number}.png"
        path.write_bytes(picture(number))
        digest, size = digest_of(path)
        asked = {"contentType": "PNG", "sizeBytes": size, "sha256": digest, **wishes}
        made = service.graphql(
            "mutation ($input: CreateUploadInput!) {"
            " createUpload(input: $input) { ... on CreatedUpload { blob { id } } } }",
            input={**asked, "idempotencyKey": f"import {digest}"},
        )["createUpload"]["blob"]["id"]
        assert run(path, "--wait")[0] == 0
        status = service.blob(made)["status"]
        assert status == ("LABELLED" if number == 5 else "AWAITING_UPLOAD")


def test_a_callback_url_that_is_refused_ends_it(
    tmp_path: Path, folder: Path, model_path: Path, run: Run
) -> None:
    """With the reason; nothing is uploaded."""
    strict = a_service(tmp_path / "strict", model_path, "--private-callbacks", "no").start()
    try:
        (folder / "a.png").write_bytes(picture(7))
        status, out, err = run(folder, "--callback-url", "http://127.0.0.1/x", url=strict.url)
    finally:
        strict.stop()
    assert (status, out) == (1, "0 uploaded, 0 there already, 0 skipped, 0 failed.\n")
    assert "callbackUrl" in err


def test_a_quota_is_waited_for(tmp_path: Path, folder: Path, model_path: Path, run: Run) -> None:
    """Until there is room; a person is told once."""
    tight = a_service(tmp_path / "tight", model_path, "--open-uploads", "1").start()
    try:
        for number in range(4):
            (folder / f"{number}.png").write_bytes(picture(100 + number))
        status, out, err = run(folder, "--concurrency", "3", url=tight.url)
    finally:
        tight.stop()
    assert (status, out) == (0, "4 uploaded (0.0 MB), 0 there already, 0 skipped, 0 failed.\n")
    assert "Waiting." in err


def test_a_key_is_needed_where_there_are_keys(
    tmp_path: Path, folder: Path, model_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By flag or variable; a wrong one, and one that may not read, are told apart."""
    data = tmp_path / "keyed"
    made = {}
    for scope in ("upload", "all"):
        command = [sys.executable, "-m", "embedded", "keys", "create", "--owner", "anna"]
        scopes = ["--scope", "upload"] if scope == "upload" else []
        told = subprocess.run(
            [*command, *scopes, "--data", str(data)], cwd=ROOT, capture_output=True, check=True
        )
        made[scope] = told.stdout.decode().strip()
    port = free_port()
    flags = ("--public-url", "http://example.test", "--port", str(port))
    keyed = a_service(data, model_path, *flags).start()
    url = f"http://127.0.0.1:{port}"
    try:
        monkeypatch.delenv("LABELLING_KEY", raising=False)
        (folder / "a.txt").write_text("no picture")
        assert "--key" in run(folder, url=url)[2]
        assert "--key" in run(folder, "--key", "wrong", url=url)[2]
        assert "read" in run(folder, "--key", made["upload"], url=url)[2]
        monkeypatch.setenv("LABELLING_KEY", made["all"])
        status, out, _ = run(folder, url=url)
    finally:
        keyed.stop()
    assert (status, out.split("\n")[0]) == (0, "0 uploaded, 0 there already, 1 skipped, 0 failed.")


def test_without_a_service_it_says_so_at_once(run: Run, folder: Path) -> None:
    """With what to do; so it does of an address where something else answers."""
    port = free_port()
    began = time.monotonic()
    status, out, err = run(folder, url=f"http://127.0.0.1:{port}")
    assert (status, out) == (1, "")
    assert f"No service answers at http://127.0.0.1:{port}" in err
    assert "--url" in err
    assert time.monotonic() - began < 5
    for url in ("nonsense", "ftp://127.0.0.1", "http://[::1"):
        assert run(folder, url=url)[0] == 1


def test_a_path_that_is_not_there_is_named(run: Run, folder: Path) -> None:
    """Before anything is sent."""
    status, out, err = run(folder / "none")
    assert (status, out) == (1, "")
    assert "There is no" in err


def test_the_service_is_waited_for_when_it_restarts(
    tmp_path: Path, folder: Path, model_path: Path
) -> None:
    """Killed and started anew under the same address, it gets every picture once."""
    one = a_service(tmp_path / "restarted", model_path, "--port", str(free_port())).start()
    for number in range(60):
        (folder / f"{number}.png").write_bytes(picture(300 + number))
    command = importing(one.url, folder)
    while one.row("SELECT count(*) FROM blobs")[0] < 20:
        time.sleep(0.01)
    one.kill()
    one.start()
    try:
        out, err = command.communicate(timeout=60)
        assert command.returncode == 0, err
        assert {count for _, count in kept(one).values()} == {1}
        assert len(kept(one)) == 60
    finally:
        one.stop()
    # An answer that was lost counts as there.
    uploaded, there = (int(part.split()[0]) for part in out.split(",")[:2])
    assert uploaded + there == 60


def test_killed_and_begun_again_every_picture_is_there_once(
    tmp_path: Path, folder: Path, model_path: Path
) -> None:
    """SIGKILL in the midst of it."""
    fresh = a_service(tmp_path / "resumed", model_path).start()
    try:
        for number in range(60):
            (folder / f"{number}.png").write_bytes(picture(400 + number))
        first = importing(fresh.url, folder, "--concurrency", "4")
        while fresh.row("SELECT count(*) FROM blobs WHERE status <> 'AWAITING_UPLOAD'")[0] < 15:
            time.sleep(0.005)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=30)
        assert fresh.row("SELECT count(*) FROM blobs")[0] < 60
        second = importing(fresh.url, folder, "--wait")
        out, err = second.communicate(timeout=60)
        assert second.returncode == 0, err
        on_record = kept(fresh)
    finally:
        fresh.stop()
    assert set(on_record.values()) == {("LABELLED", 1)}
    assert len(on_record) == 60
    assert " there already, 0 skipped, 0 failed." in out


def test_interrupted_it_says_what_was_done(service: ServiceProcess, folder: Path) -> None:
    """And that the same command goes on."""
    for number in range(300):
        (folder / f"{number}.png").write_bytes(picture(600 + number))
    command = importing(service.url, folder, "--concurrency", "1")
    while service.row("SELECT count(*) FROM blobs WHERE status <> 'AWAITING_UPLOAD'")[0] < 20:
        time.sleep(0.005)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=30)
    assert command.returncode == 130
    assert " uploaded (" in out
    assert "the same command goes on" in err
    assert "Traceback" not in err


def importing(url: str, *arguments: object) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if name != "LABELLING_KEY"}
    return subprocess.Popen(
        [sys.executable, "-m", "embedded", "import", "--url", url, *map(str, arguments)],
        cwd=ROOT,
        env=kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_names_can_not_write_to_the_terminal() -> None:
    """Escapes and line ends are shown, not obeyed."""
    assert shown("a\x1b[31m\nb[red]ü\u202e") == "a\\x1b[31m\\nb[red]ü\\u202e"


def test_files_are_given_by_name(folder: Path) -> None:
    """Those named come as they are named."""
    for name in ("b", "a", ".c"):
        (folder / name).touch()
    assert [path.name for path in files_in([folder])] == ["a", "b"]
    assert list(files_in([folder / ".c"])) == [folder / ".c"]


# The client


@contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives answers one after the other, the last one again and again."""
    left, asked = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
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
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


JSON = {"content-type": "application/json"}
FINE = (200, JSON, b'{"data": {"a": 1}}')


@pytest.mark.parametrize(
    "passing",
    [
        (503, {}, b""),
        (429, {"retry-after": "0"}, b"slow down"),
        (200, JSON, b'{"errors": [{"extensions": {"code": "SERVICE_UNAVAILABLE"}}]}'),
    ],
)
def test_what_passes_is_tried_again(
    passing: tuple[int, dict[str, str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it has passed, or so many tries are made."""
    monkeypatch.setattr("embedded.client.api.FIRST_PAUSE", 0.01)
    with answering(passing, passing, FINE) as (url, asked), ApiClient(url, None) as api:
        assert api.ask("{ a }") == {"a": 1}
        assert asked == ["/graphql"] * 3
    with answering(passing) as (url, asked), ApiClient(url, None) as api:
        with pytest.raises(Unreachable):
            api.ask("{ a }")
        assert len(asked) == 6


def test_who_is_told_to_stop_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a service that is to answer some time."""
    monkeypatch.setattr("embedded.client.api.FIRST_PAUSE", 60.0)
    stopping = threading.Event()
    with answering((503, {}, b"")) as (url, _), ApiClient(url, None, stopping=stopping) as api:
        threading.Timer(0.2, stopping.set).start()
        with pytest.raises(Stopped):
            api.ask("{ a }")


def test_the_graphql_address_is_taken_for_the_services() -> None:
    """As people copy it from GraphiQL."""
    with answering(FINE) as (url, asked), ApiClient(f"{url}/graphql", None) as api:
        api.ask("{ a }")
        assert asked == ["/graphql"]
