"""Try the container image: label a picture, kill the container, start it again, read the labels.

    python -m scripts.try_image [--runtime podman] PHOTO.jpg [-- OPTIONS OF RUN]

The container runs as the documentation says: without root, capabilities or a writable root file
system. It is removed at the end, with its volume. The image is built before, by `docker build`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
NAME: Final = "labelling-trial"
HARDENED: Final = (
    *("--read-only", "--tmpfs", "/tmp"),  # noqa: S108
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--volume", f"{NAME}:/data"),
)
PATIENCE: Final = 120  # seconds
CREATE: Final = """
mutation {
  createUpload(input: {contentType: JPEG}) {
    ... on CreatedUpload { blob { id } target { url headers { name value } } }
  }
}
"""
READ: Final = "query ($id: ID!) { blob(id: $id) { status labels { name } } }"


def main() -> None:
    """Exit with status 1 and the reason if the image is not as documented."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runtime", default="docker")
    parser.add_argument("--image", default="labelling")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--max-megabytes", type=int, default=400)
    parser.add_argument("photo", type=Path, help="a JPEG with something to label")
    parser.add_argument("options", nargs="*", help="more options of `run`")
    given = parser.parse_args()
    trial = Trial(given.runtime, given.image, given.port, given.options)
    megabytes = int(trial.engine("image", "inspect", "--format", "{{.Size}}", given.image)) / 1e6
    print(f"size: {megabytes:.0f} MB")
    try:
        trial.run(given.photo)
    finally:
        trial.engine("rm", "--force", NAME)
        trial.engine("volume", "rm", "--force", NAME)
    if megabytes > given.max_megabytes:
        raise SystemExit(f"The image has more than {given.max_megabytes} MB.")


class Trial:
    """One container of an image, reached on a port of this machine."""

    def __init__(self, runtime: str, image: str, port: int, options: list[str]) -> None:
        self._runtime = runtime
        self._image = image
        self._origin = f"http://127.0.0.1:{port}"
        self._options = (*HARDENED, *options)
        self._ports = ("--publish", f"127.0.0.1:{port}:8000")
        if "host" in options:  # its network: the service itself listens on the port
            self._ports = ("--env", f"LABELLING_PORT={port}")

    def engine(self, *words: str) -> str:
        """Run a command of the container engine; return what it prints."""
        done = subprocess.run([self._runtime, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{words[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def run(self, photo: Path) -> None:
        """See that it labels, keeps what it labelled, and can write nothing but its data."""
        made = self.engine(
            *("run", "--rm", *self._options, self._image, "keys", "create", "--owner", "me")
        )
        key = re.search(r"lbl_[\w-]+", made)
        if not key:
            raise SystemExit(f"No key was made: {made}")
        self.engine("run", "--detach", "--name", NAME, *self._options, *self._ports, self._image)
        self._ready()
        client = httpx.Client(headers={"Authorization": f"Bearer {key[0]}"}, timeout=PATIENCE)

        def ask(query: str, **variables: str) -> Any:
            body = {"query": query, "variables": variables}
            return (
                client.post(f"{self._origin}/graphql", json=body).raise_for_status().json()["data"]
            )

        created = ask(CREATE)["createUpload"]
        headers = {each["name"]: each["value"] for each in created["target"]["headers"]}
        httpx.put(
            created["target"]["url"], content=photo.read_bytes(), headers=headers, timeout=PATIENCE
        ).raise_for_status()

        def labels() -> list[str] | None:
            blob = ask(READ, id=created["blob"]["id"])["blob"]
            found = blob["labels"] if blob["status"] == "LABELLED" else None
            return found and [label["name"] for label in found]

        found = _until(labels, "the picture was not labelled")
        self.engine("kill", NAME)
        self.engine("start", NAME)
        self._ready()
        if labels() != found:
            raise SystemExit("After a kill the labels are others.")
        if self.engine("exec", NAME, "id", "--user") == "0":
            raise SystemExit("The service runs as root.")
        write = "import pathlib; pathlib.Path('/opt/labelling/x').touch()"
        refusal = f"import os\ntry: {write}\nexcept OSError as e: print(os.strerror(e.errno))"
        if "Read-only" not in (said := self.engine("exec", NAME, "python", "-c", refusal)):
            raise SystemExit(f"The root file system can be written to: {said}")
        print(f"labels: {', '.join(found)}\n{self.engine('exec', NAME, 'labelling', 'doctor')}")

    def _ready(self) -> None:
        def ready() -> bool:
            try:
                return httpx.get(f"{self._origin}/readyz", timeout=5).is_success
            except httpx.TransportError:
                return False

        _until(ready, "the service was not ready")


def _until(find: Callable[[], T | None], otherwise: str) -> T:
    end = time.monotonic() + PATIENCE
    while not (found := find()):
        if time.monotonic() > end:
            raise SystemExit(f"In {PATIENCE} s {otherwise}.")
        time.sleep(0.5)
    return found


if __name__ == "__main__":
    main()
