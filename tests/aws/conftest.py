"""The template as the deployer compiles it, and the Lambdas' zips."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws.artifacts import Artifacts
from tests.support.aws.cloud import Cloud, Rekognition, deployed, made_key
from tests.support.aws.deployed_stack import OSLS, DeployedStack
from tests.support.aws.emulators import Emulator, running_ministack
from tests.support.aws.iam import Template
from tests.support.aws.rekognition_server import RekognitionServer
from tests.support.node import require_node
from tests.support.shared import made_once

ROOT = Path(__file__).parents[2]
COMPILED = Path(".serverless", "cloudformation-template-update-stack.json")
FUNCTIONS = ("api", "labeller", "notifier")


def compile_template(folder: Path, *options: str) -> Path:
    """Have the deployer compile serverless.yml over stand-ins for the zips; return the template."""
    require_node(OSLS)
    shutil.copy(ROOT / "serverless.yml", folder)
    shutil.copytree(ROOT / "infra", folder / "infra")
    (folder / "build").mkdir()
    for function in FUNCTIONS:
        with zipfile.ZipFile(folder / "build" / f"{function}.zip", "w") as archive:
            archive.writestr(f"{function}.py", "")
    deployer = subprocess.run(
        ["node", str(OSLS / "bin" / "serverless.js"), "package", *options],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert deployer.returncode == 0, deployer.stdout + deployer.stderr
    return folder / COMPILED


@pytest.fixture(scope="session")
def template_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled once for all workers."""

    def make(folder: Path) -> None:
        folder.mkdir()
        compile_template(folder)

    return made_once(tmp_path_factory, "deploy", make) / COMPILED


@pytest.fixture(scope="session")
def compiled(template_path: Path) -> dict[str, Any]:
    """The compiled template; not to be changed."""
    template: dict[str, Any] = json.loads(template_path.read_text())
    return template


@pytest.fixture
def template(compiled: dict[str, Any]) -> dict[str, Any]:
    """A copy of the compiled template."""
    return copy.deepcopy(compiled)


@pytest.fixture
def rekognition() -> Rekognition:
    return Rekognition()


@pytest.fixture
def cloud(compiled: Template, rekognition: Rekognition) -> Iterator[Cloud]:
    with deployed(compiled, detect=rekognition) as cloud:
        yield cloud


@pytest.fixture
def key(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> str:
    """Anna's API key, made as the operator does."""
    return made_key(cloud, capsys, "anna")


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    """Built once for all workers."""
    try:
        return Artifacts(
            made_once(tmp_path_factory, "artifacts", lambda folder: Artifacts(folder).build())
        )
    except SystemExit as missing:  # no package index can be reached, and nothing is kept
        if os.environ.get("CI"):
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture
def rekognition_server() -> Iterator[RekognitionServer]:
    server = RekognitionServer()
    yield server
    server.close()


@pytest.fixture
def ministack(tmp_path: Path, rekognition_server: RekognitionServer) -> Iterator[Emulator]:
    """MiniStack, and for its functions the Rekognition that it lacks."""
    folder = tmp_path / "ministack"
    folder.mkdir()
    name = "AWS_ENDPOINT_URL_REKOGNITION"
    with running_ministack(folder, **{name: rekognition_server.environ[name]}) as running:
        yield running


@pytest.fixture
def stack(ministack: Emulator, artifacts: Artifacts, tmp_path: Path) -> Iterator[DeployedStack]:
    require_node(OSLS)
    stack = DeployedStack(ministack, tmp_path / "deployer", artifacts.zips)
    yield stack
    stack.close()
