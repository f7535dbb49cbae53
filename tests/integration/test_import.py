"""`labelling import`: folders of pictures uploaded through the public API."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from embedded.cli.main import main
from embedded.client.api import ApiClient
from embedded.client.files import digest_of
from tests.support.images.models import link_models
from tests.support.images.photos import photo
from tests.support.services.process import ROOT, ServiceProcess
from tests.support.waiting import PATIENCE


def picture(number: int, kind: str = "PNG") -> bytes:
    """Return a small picture, different for each number."""
    out = io.BytesIO()
    Image.new("RGB", (96, 64), (number % 256, number // 256, 90)).save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, model_path: Path) -> Iterator[ServiceProcess]:
    started = new_service(tmp_path_factory.mktemp("import"), model_path).start()
    yield started
    started.stop()


def new_service(data: Path, model_path: Path, *flags: str) -> ServiceProcess:
    link_models(data, model_path)
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
    """Run the command; return its exit status, standard output and standard error."""

    def run(*arguments: object, url: str = service.url) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(["import", "--url", url, *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


def blobs_by_digest(service: ServiceProcess) -> dict[str, tuple[str, int]]:
    """Map each digest to the status of its newest blob and the number of its blobs."""
    page = service.graphql(
        "{ blobs(first: 100) { nodes { sha256 status } pageInfo { hasNextPage } } }"
    )["blobs"]
    assert not page["pageInfo"]["hasNextPage"]
    found: dict[str, tuple[str, int]] = {}
    for each in reversed(page["nodes"]):
        count = found.get(each["sha256"], ("", 0))[1]
        found[each["sha256"]] = each["status"], count + 1
    return found


def test_folder_is_uploaded_once(run: Run, service: ServiceProcess, folder: Path) -> None:
    """At any depth, with the type read from the content; a second import sends nothing."""
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "cat.dat").write_bytes(photo("chelsea.png"))
    (folder / "deep" / "er" / "coffee.jpg").write_bytes(picture(1, "GIF"))
    (folder / "deep" / "twin.png").write_bytes(picture(1, "GIF"))
    (folder / "notes.txt").write_text("not a picture")
    (folder / "empty.png").touch()
    (folder / ".hidden.png").write_bytes(picture(2))
    (folder / "loop").symlink_to(folder)
    status, out, _ = run(folder, "--wait")
    assert status == 0
    assert out.startswith("2 uploaded (0.2 MB), 1 already there, 2 skipped, 0 failed.\n")
    assert "notes.txt: not a supported image type (of an unknown format)\n" in out
    assert "empty.png: not a supported image type (empty)\n" in out
    assert out.endswith("2 labelled, 0 failed.\n")
    stored = blobs_by_digest(service)
    for name in ("cat.dat", "deep/er/coffee.jpg"):
        assert stored[digest_of(folder / name)[0]] == ("LABELLED", 1)
    shown = service.graphql("{ blobs { nodes { fileName } } }")["blobs"]["nodes"]
    names = sorted(each["fileName"] for each in shown)
    assert names in (["cat.dat", "coffee.jpg"], ["cat.dat", "twin.png"])  # one of the same bytes
    status, out, _ = run(folder)
    assert (status, out.split("\n")[0]) == (0, "0 uploaded, 3 already there, 2 skipped, 0 failed.")
    assert blobs_by_digest(service) == stored


def test_options_are_sent_with_every_upload(
    run: Run, service: ServiceProcess, folder: Path
) -> None:
    """--max-labels, --min-confidence and --callback-url."""
    path = folder / "a.png"
    path.write_bytes(photo("coffee.png"))
    options = (
        "--max-labels",
        "3",
        "--min-confidence",
        "20.5",
        "--callback-url",
        "http://[::1]:9/x",
    )
    assert run(path, *options)[0] == 0
    query = "query ($d: String) { blobs(filter: {sha256: $d}) { nodes { id callback { url } } } }"
    (blob,) = service.graphql(query, d=digest_of(path)[0])["blobs"]["nodes"]
    assert blob["callback"]["url"] == "http://[::1]:9/x"
    (document,) = service.row("SELECT document FROM blobs WHERE id = ?", blob["id"])
    record = json.loads(document)
    assert (record["max_labels"], record["min_confidence"]) == (3, 20.5)


def test_failed_files_are_listed_with_their_reason(run: Run, folder: Path) -> None:
    """The exit status is 1; --wait reports failures of labelling too."""
    (folder / "large.png").write_bytes(picture(3) + bytes(50_000_001))
    (folder / "broken.png").write_bytes(photo("chelsea.png")[:5000])
    status, out, _ = run(folder, "--wait")
    assert status == 1
    assert "large.png: sizeBytes must be from 1 to 50000000\n" in out
    assert "1 uploaded" in out
    assert "0 labelled, 1 failed.\n" in out
    assert "broken.png: The picture is damaged" in out
    # The same bytes would fail again, so they count as already there.
    (folder / "large.png").unlink()
    assert run(folder)[1].startswith("0 uploaded, 1 already there")


def test_blob_with_another_declared_type_is_not_uploaded_again(
    run: Run, service: ServiceProcess, folder: Path
) -> None:
    """The labeller records the type of the content, so the picture is there already."""
    path = folder / "odd"
    path.write_bytes(picture(4))
    blob_id = service.upload(path.read_bytes(), "JPEG")
    blob = service.wait_for(blob_id, lambda blob: blob["status"] == "LABELLED")
    assert blob["contentType"] == "PNG"
    assert run(path)[1].startswith("0 uploaded, 1 already there")


def test_interrupted_upload_is_continued(run: Run, service: ServiceProcess, folder: Path) -> None:
    """The blob of an earlier run receives the bytes, unless it was created with other options."""
    for number, options in ((5, {}), (6, {"maxLabels": 2})):
        path = folder / f"{number}.png"
        path.write_bytes(picture(number))
        digest, size = digest_of(path)
        fields = {"contentType": "PNG", "sizeBytes": size, "sha256": digest, **options}
        fields["fileName"] = path.name
        blob_id = service.graphql(
            "mutation ($input: CreateUploadInput!) {"
            " createUpload(input: $input) { ... on CreatedUpload { blob { id } } } }",
            input={**fields, "idempotencyKey": f"import {digest}"},
        )["createUpload"]["blob"]["id"]
        assert run(path, "--wait")[0] == 0
        status = service.blob(blob_id)["status"]
        assert status == ("LABELLED" if number == 5 else "AWAITING_UPLOAD")


def test_refused_callback_url_ends_the_import(
    tmp_path: Path, folder: Path, model_path: Path, run: Run
) -> None:
    """The reason is printed and nothing is uploaded."""
    strict = new_service(tmp_path / "strict", model_path, "--private-callbacks", "no").start()
    try:
        (folder / "a.png").write_bytes(picture(7))
        status, out, err = run(folder, "--callback-url", "http://127.0.0.1/x", url=strict.url)
    finally:
        strict.stop()
    assert (status, out) == (1, "0 uploaded, 0 already there, 0 skipped, 0 failed.\n")
    assert "callbackUrl" in err


def test_import_waits_while_the_quota_is_exceeded(
    tmp_path: Path, folder: Path, model_path: Path, run: Run
) -> None:
    """All files are uploaded in the end, and the user reads that it waits."""
    tight = new_service(tmp_path / "tight", model_path, "--open-uploads", "1").start()
    try:
        for number in range(4):
            (folder / f"{number}.png").write_bytes(picture(100 + number))
        status, out, err = run(folder, "--concurrency", "3", url=tight.url)
    finally:
        tight.stop()
    assert (status, out) == (0, "4 uploaded (0.0 MB), 0 already there, 0 skipped, 0 failed.\n")
    assert "Waiting." in err


def test_service_with_keys_requires_one(
    tmp_path: Path, folder: Path, model_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As flag or variable; a wrong key and a key without the scope `read` get other messages."""
    data = tmp_path / "keyed"
    data.mkdir()
    keys = {}
    for scope in ("upload", "all"):
        command = [sys.executable, "-m", "embedded", "keys", "create", "--owner", "anna"]
        scopes = ["--scope", "upload"] if scope == "upload" else []
        created = subprocess.run(
            [*command, *scopes, "--data", str(data)], cwd=ROOT, capture_output=True, check=True
        )
        keys[scope] = created.stdout.decode().strip()
    port = free_port()
    flags = ("--public-url", "http://example.test", "--port", str(port))
    keyed = new_service(data, model_path, *flags).start()
    url = f"http://127.0.0.1:{port}"
    try:
        monkeypatch.delenv("LABELLING_KEY", raising=False)
        (folder / "a.txt").write_text("not a picture")
        assert "--key" in run(folder, url=url)[2]
        assert "--key" in run(folder, "--key", "wrong", url=url)[2]
        assert "read" in run(folder, "--key", keys["upload"], url=url)[2]
        monkeypatch.setenv("LABELLING_KEY", keys["all"])
        status, out, _ = run(folder, url=url)
    finally:
        keyed.stop()
    assert (status, out.split("\n")[0]) == (0, "0 uploaded, 0 already there, 1 skipped, 0 failed.")


def test_without_a_service_the_import_fails_at_the_first_attempt(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says what to do, also for a URL that is none."""

    def wait(_api: ApiClient, _seconds: float) -> None:
        raise AssertionError("the client waited for a retry")

    monkeypatch.setattr(ApiClient, "wait", wait)
    port = free_port()
    status, out, err = run(folder, url=f"http://127.0.0.1:{port}")
    assert (status, out) == (1, "")
    assert f"No service answers at http://127.0.0.1:{port}" in err
    assert "--url" in err
    for url in ("nonsense", "ftp://127.0.0.1", "http://[::1"):
        assert run(folder, url=url)[0] == 1


def test_missing_path_is_an_error(run: Run, folder: Path) -> None:
    """Reported before anything is sent."""
    status, out, err = run(folder / "none")
    assert (status, out) == (1, "")
    assert f"No such file or folder: {folder / 'none'}" in err


def test_import_survives_a_restart_of_the_service(
    tmp_path: Path, folder: Path, model_path: Path
) -> None:
    """A service killed and restarted at the same address has every picture once."""
    one = new_service(tmp_path / "restarted", model_path, "--port", str(free_port())).start()
    for number in range(60):
        (folder / f"{number}.png").write_bytes(picture(300 + number))
    command = importing(one.url, folder)
    while one.row("SELECT count(*) FROM blobs")[0] < 20:
        time.sleep(0.01)
    one.kill()
    one.start()
    try:
        out, err = command.communicate(timeout=PATIENCE)
        assert command.returncode == 0, err
        assert {count for _, count in blobs_by_digest(one).values()} == {1}
        assert len(blobs_by_digest(one)) == 60
    finally:
        one.stop()
    # An upload whose response was lost counts as already there.
    uploaded, already_there = (int(part.split()[0]) for part in out.split(",")[:2])
    assert uploaded + already_there == 60


def test_killed_import_continues_when_run_again(
    tmp_path: Path, folder: Path, model_path: Path
) -> None:
    """After SIGKILL and a second run the service has every picture once."""
    fresh = new_service(tmp_path / "resumed", model_path).start()
    try:
        for number in range(60):
            (folder / f"{number}.png").write_bytes(picture(400 + number))
        first = importing(fresh.url, folder, "--concurrency", "4")
        while fresh.row("SELECT count(*) FROM blobs WHERE status <> 'AWAITING_UPLOAD'")[0] < 15:
            time.sleep(0.005)
        first.send_signal(signal.SIGKILL)
        first.communicate(timeout=PATIENCE)
        assert fresh.row("SELECT count(*) FROM blobs")[0] < 60
        second = importing(fresh.url, folder, "--wait")
        out, err = second.communicate(timeout=PATIENCE)
        assert second.returncode == 0, err
        stored = blobs_by_digest(fresh)
    finally:
        fresh.stop()
    assert set(stored.values()) == {("LABELLED", 1)}
    assert len(stored) == 60
    assert " already there, 0 skipped, 0 failed." in out


def test_ctrl_c_prints_the_report(service: ServiceProcess, folder: Path) -> None:
    """And how to continue; the exit status is 130."""
    for number in range(300):
        (folder / f"{number}.png").write_bytes(picture(600 + number))
    command = importing(service.url, folder, "--concurrency", "1")
    while service.row("SELECT count(*) FROM blobs WHERE status <> 'AWAITING_UPLOAD'")[0] < 20:
        time.sleep(0.005)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=PATIENCE)
    assert command.returncode == 130
    assert " uploaded (" in out
    assert "run the same command again" in err
    assert "Traceback" not in err


def importing(url: str, *arguments: object) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if name != "LABELLING_KEY"}
    return subprocess.Popen(
        [sys.executable, "-m", "embedded", "import", "--url", url, *map(str, arguments)],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
