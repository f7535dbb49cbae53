"""The bill of materials of a release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.runtime.build import VERSION
from scripts.sbom import CONTENTS, ROOT, bill_of_materials, main, python_components


def pinned(path: Path) -> set[str]:
    """Return the pins of a lock file, read in another way than the script does."""
    lines = path.read_text().splitlines()
    return {line.split()[0].rstrip("\\") for line in lines if "==" in line.split("#")[0][:80]}


@pytest.mark.parametrize("name", CONTENTS)
def test_every_pin_of_the_lock_files_is_listed(name: str) -> None:
    """With its version, the URL of its package and the hashes."""
    components = bill_of_materials(name)["components"]
    python = {f"{each['name']}=={each['version']}" for each in components if "pypi" in each["purl"]}
    assert python == pinned(ROOT / CONTENTS[name][0])
    assert len(python) > 5
    for each in components:
        (reference,) = each["externalReferences"]
        assert reference["hashes"]
        assert each["purl"].endswith(f"@{each['version']}")


def test_packages_in_the_pages_are_listed_and_build_tools_are_not() -> None:
    names = {each["name"] for each in bill_of_materials("labelling")["components"]}
    for page in ("gallery", "graphiql"):
        package = json.loads((ROOT / "web" / page / "package.json").read_text())
        assert set(package["dependencies"]) <= names
        assert not set(package["devDependencies"]) & names


def test_references_are_unique() -> None:
    for name in CONTENTS:
        references = [each["bom-ref"] for each in bill_of_materials(name)["components"]]
        assert len(references) == len(set(references))


def test_version_is_that_of_the_release_and_files_are_reproducible(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        assert main([str(tmp_path / folder)]) == 0
    for name in CONTENTS:
        file = f"{name}.cdx.json"
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
        written = json.loads((tmp_path / "one" / file).read_text())
        assert written["metadata"]["component"]["version"] == VERSION
        assert (written["bomFormat"], written["specVersion"]) == ("CycloneDX", "1.6")


def test_extras_and_markers_are_no_part_of_a_version() -> None:
    text = (
        "Odd_Name[a,b]==1.0+local ; sys_platform == 'win32' \\\n"
        f"    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n"
        f"plain==2 \\\n    --hash=sha256:{'c' * 64}\n"
    )
    odd, plain = python_components(text)
    assert (odd["name"], odd["version"]) == ("odd-name", "1.0+local")
    assert len(odd["externalReferences"][0]["hashes"]) == 2
    assert (plain["name"], plain["version"]) == ("plain", "2")
