"""Write what a release contains (SBOM, CycloneDX 1.6): `python -m scripts.sbom DIRECTORY`.

One file describes the embedded service with its built pages, and one each zip of AWS. They are made
from the lock files alone, so that the same commit gives the same files.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from core.runtime.build import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[1]
# What each deliverable contains: lock files of Python, and of pages that are built into it.
CONTENTS: Final = {
    "labelling": ("requirements/serve.txt", "web/gallery", "web/graphiql"),
    "api": ("requirements/api.txt",),
    "labeller": ("requirements/labeller.txt",),
    "notifier": ("requirements/notifier.txt",),
}
# A pin, and all up to the next line that is not indented.
_PINNED: Final = re.compile(
    r"^([\w.-]+)(?:\[[\w,.-]+\])?==([^\s;\\]+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL
)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")

Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files into a directory; return the exit status."""
    (directory,) = sys.argv[1:] if arguments is None else arguments
    Path(directory).mkdir(parents=True, exist_ok=True)
    for name in CONTENTS:
        path = Path(directory, f"{name}.cdx.json")
        path.write_text(json.dumps(bill_of_materials(name), indent=2) + "\n")
        print(path)
    return 0


def bill_of_materials(name: str) -> Json:
    """Return the SBOM of a deliverable."""
    found: dict[str, Json] = {}  # a package may be installed at several places
    for source in CONTENTS[name]:
        path = ROOT / source
        components = npm_components(path) if path.is_dir() else python_components(path.read_text())
        found |= {each["bom-ref"]: each for each in components}
    ordered = [found[ref] for ref in sorted(found)]
    identity = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([name, VERSION, ordered]))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{identity}",
        "version": 1,
        "metadata": {
            "component": {
                "bom-ref": name,
                "type": "application",
                "name": name,
                "version": VERSION,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": ordered,
    }


def python_components(text: str) -> Iterator[Json]:
    """Yield the component of each pin in a lock file of requirements."""
    for package, version, rest in _PINNED.findall(text):
        name = re.sub(r"[-_.]+", "-", package).lower()
        hashes = [{"alg": "SHA-256", "content": each} for each in _HASH.findall(rest)]
        yield _component(f"pkg:pypi/{name}@{quote(version)}", name, version, hashes)


def npm_components(folder: Path) -> Iterator[Json]:
    """Yield the component of each package that a page may contain."""
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        if not path or package.get("dev") or package.get("devOptional"):
            continue
        name, version = path.rpartition("node_modules/")[2], package["version"]
        digest = base64.b64decode(package["integrity"].removeprefix("sha512-")).hex()
        hashes = [{"alg": "SHA-512", "content": digest}]
        yield _component(f"pkg:npm/{quote(name)}@{quote(version)}", name, version, hashes)


def _component(purl: str, name: str, version: str, hashes: list[Json]) -> Json:
    # Each hash is one of a file that may have been installed, so none is the component's own.
    return {
        "bom-ref": purl,
        "type": "library",
        "name": name,
        "version": version,
        "purl": purl,
        "externalReferences": [{"type": "distribution", "url": purl, "hashes": hashes}],
    }


if __name__ == "__main__":
    sys.exit(main())
