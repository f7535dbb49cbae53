"""The files for contributors are well formed and agree with the project's own."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
YAML: Final = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in (".github/**/*.yml", ".pre-commit-config.yaml", "serverless.yml", "infra/*.yml")
    for path in ROOT.glob(pattern)
)
NPM_FOLDERS: Final = {
    str(Path(name).parent)
    for name in subprocess.run(
        ["git", "ls-files", "*package-lock.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
}


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize("name", YAML)
def test_yaml_is_a_mapping(name: str) -> None:
    assert isinstance(read(name), dict)


def test_ci_runs_every_supported_python() -> None:
    matrix = read(".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={matrix['python'][0]}"
    assert [each["system"] for each in matrix["include"]] == ["macos-15-intel", "macos-15"]


def test_ci_runs_the_tests_and_builds_the_docs() -> None:
    jobs = read(".github/workflows/ci.yml")["jobs"]
    commands = {step.get("run") for job in jobs.values() for step in job["steps"]}
    assert {"./test", "scripts/docs", "scripts/test-tools"} <= commands


def test_release_of_a_tag_gets_the_bill_of_materials() -> None:
    workflow = read(".github/workflows/release.yml")
    assert workflow[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 takes "on" for true
    commands = [step.get("run", "") for step in workflow["jobs"]["sbom"]["steps"]]
    assert "python -m scripts.sbom sbom" in commands
    assert any("gh release upload" in each and "sbom/*.cdx.json" in each for each in commands)


def test_every_npm_folder_is_audited_and_updated() -> None:
    audited = read(".github/workflows/audit.yml")["jobs"]["node"]["strategy"]["matrix"]["folder"]
    updates = read(".github/dependabot.yml")["updates"]
    (npm,) = (each for each in updates if each["package-ecosystem"] == "npm")
    assert set(audited) == NPM_FOLDERS
    assert {folder.strip("/") for folder in npm["directories"]} == NPM_FOLDERS


def test_every_set_of_requirements_is_audited_and_locked() -> None:
    audited = read(".github/workflows/audit.yml")["jobs"]["python"]["strategy"]["matrix"]["set"]
    sets = {path.stem for path in (ROOT / "requirements").glob("*.in")}
    assert set(audited) == sets
    locked = re.search(r"^for set in (.*); do$", (ROOT / "scripts/lock").read_text(), re.MULTILINE)
    assert locked
    assert set(locked[1].split()) == sets


def test_every_hook_runs_a_part_of_the_checks() -> None:
    (repository,) = read(".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    default = re.search(
        r"set -- (style .*)$", (ROOT / "scripts" / "check").read_text(), re.MULTILINE
    )
    assert default
    named = " ".join(each["entry"].removeprefix("scripts/check ") for each in repository["hooks"])
    assert sorted(named.split()) == sorted(default[1].split())


def test_issue_forms_have_unique_ids() -> None:
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"):
        ids = [each["id"] for each in yaml.safe_load(form.read_text())["body"] if "id" in each]
        assert len(ids) == len(set(ids)) > 0


def test_the_development_container_installs_the_tests() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).is_file()
    assert container["postCreateCommand"] == "scripts/venv test && scripts/test-tools"
