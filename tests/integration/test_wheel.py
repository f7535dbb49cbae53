"""The wheel, installed where nothing is but what the container has."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import httpx
import pytest

from scripts.build_version import build_version
from tests.support.images.photos import photo
from tests.support.services.process import ROOT, ServiceProcess
from tests.support.spans import OtlpReceiver

MAX_BYTES = 290_000_000  # of the environment, without bytecode; the container's base adds 125 MB
SETS = [ROOT / "requirements" / f"{name}.txt" for name in ("wheel", "traces")]
LOCKED = re.compile(r"^([\w.-]+)==", re.MULTILINE)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, model_path: Path) -> Path:
    """The Python of an environment with the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "scripts.wheel", "--into", folder, "--networks", model_path.parent],
        cwd=ROOT,
        check=True,
    )
    (wheel,) = folder.glob("labelling-*-py3-none-any.whl")
    venv.create(folder / "venv", with_pip=False)
    (packages,) = folder.glob("venv/lib/python3.*/site-packages")
    for name in {name for each in SETS for name in LOCKED.findall(each.read_text())}:
        copy_package(name, packages)
    installed = folder / "venv" / "bin" / "python"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", installed, "install", "--quiet"),
            *("--no-index", "--no-deps", "--disable-pip-version-check", wheel),
        ],
        check=True,
    )
    if shutil.which("strip"):
        subprocess.run([ROOT / "scripts" / "slim-environment", folder / "venv"], check=True)
    return installed


def copy_package(name: str, into: Path) -> None:
    """Copy an installed package into another environment."""
    try:
        found = files(name) or ()
    except PackageNotFoundError:
        return  # for another system
    for file in found:
        source = Path(str(file.locate()))
        if ".." not in file.parts and source.is_file():
            target = into / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without the clone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def test_installed_service_labels_and_has_its_pages(python: Path, elsewhere: Path) -> None:
    """It builds no model: the wheel contains the networks."""
    service = ServiceProcess(elsewhere / "data", python=python, cwd=elsewhere).start()
    for path in ("/", "/graphql", "/docs", "/openapi.json"):
        page = httpx.get(service.url + path, headers={"Accept": "text/html"}, timeout=60)
        assert page.status_code == 200, path
    blob_id = service.upload(photo("astronaut.png"))
    blob = service.wait_for(blob_id, lambda blob: blob["status"] == "LABELLED")
    assert "Person" in {label["name"] for label in blob["labels"]}
    service.stop()
    assert not (elsewhere / "data" / "model").exists()
    assert not any("Building" in line for line in service.printed)


def test_installed_command_runs_from_any_folder(python: Path, elsewhere: Path) -> None:
    shown = subprocess.run(
        [python.with_name("labelling"), "--version"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PATH": str(python.parent)},
    )
    assert shown.stdout == f"labelling, version {build_version()}\n"
    (installed,) = python.parents[1].glob("lib/python3.*/site-packages/labelling-*.dist-info")
    assert installed.name == f"labelling-{build_version()}.dist-info"
    assert list(elsewhere.iterdir()) == []


def test_installed_service_sends_traces(python: Path, elsewhere: Path) -> None:
    """The container has the SDK, and the locked packages are enough for it."""
    program = (
        "import sys; from core.runtime.trace_settings import build_tracer\n"
        "tracer = build_tracer(sys.argv[1])\n"
        "with tracer.span('work'): pass\n"
        "tracer.close()"
    )
    with OtlpReceiver() as collector:
        subprocess.run([python, "-I", "-c", program, collector.url], check=True)
        assert [each.name for each in collector.spans] == ["work"]


@pytest.mark.skipif(not shutil.which("strip"), reason="no strip: apt-get install binutils")
def test_environment_leaves_the_container_small(python: Path) -> None:
    size = sum(
        path.stat().st_size
        for path in python.parents[1].rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc"
    )
    assert size < MAX_BYTES, size
