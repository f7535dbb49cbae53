"""A stack of an earlier version is updated to this one, and rolled back, while it is used."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from standardwebhooks import Webhook

from tests.support.aws.artifacts import FUNCTIONS, Artifacts, packager
from tests.support.aws.deployed_stack import DeployedStack
from tests.support.aws.emulators import ROOT
from tests.support.images.photos import photo
from tests.support.waiting import wait_until
from tests.support.webhooks.receiver import Received, Receiver

pytestmark = pytest.mark.emulators

# The commit of the last release, because a clone may lack its tag: 0.1.0.
FORMER: Final = "d279ca0e0adc46428b4b3f1d69ac5ecfc559c0a8"
BLOBS: Final = "{ blobs(first: 50) { nodes { id status } } }"
REDELIVER: Final = "mutation ($id: ID!) { redeliverWebhook(deliveryId: $id) { __typename } }"
COUNTS: Final = '{ labels(prefix: "Cat") { nodes { name blobCount } } }'


@pytest.fixture
def former(tmp_path: Path, artifacts: Artifacts) -> Path:
    """The former version's source, with its zips in build/."""
    source = tmp_path / "former"
    source.mkdir()
    archive = tmp_path / "former.tar"
    git = ["git", "archive", f"--output={archive}", FORMER]
    made = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"the repository lacks the commit {FORMER}: git fetch --unshallow")
    with tarfile.open(archive) as opened:
        opened.extractall(source, filter="data")
    target = packager().Target(artifacts.version, os.uname().machine)
    subprocess.run(
        [
            *(sys.executable, source / "scripts" / "package_lambdas.py"),
            *(f"--python={target.python}", f"--platform={target.platform}"),
            *(f"--into={source / 'build'}", f"--wheels={ROOT / 'build' / 'wheels'}"),
        ],
        check=False,  # 0.1.0 exits with 1, because its zip for x86_64 is above the budget
    )
    assert {path.stem for path in (source / "build").glob("*.zip")} == set(FUNCTIONS)
    return source


PAUSE: Final = 0.2  # seconds; a machine with two processors also deploys


class Use:
    """Requests to a stack, one after the other, and the answers that were no success."""

    def __init__(self, stack: DeployedStack) -> None:
        self.count = 0
        self.failures: list[str] = []
        self._stack = stack
        self._stopped = threading.Event()

    def __call__(self) -> None:
        while not self._stopped.is_set():
            answer = self._stack.http.post("/graphql", json={"query": BLOBS})
            self.count += 1
            if answer.status_code != 200 or "errors" in answer.json():
                self.failures.append(f"{answer.status_code} {answer.text}")
            self._stopped.wait(PAUSE)

    def stop(self) -> None:
        """Send no more."""
        self._stopped.set()


@contextmanager
def in_use(stack: DeployedStack) -> Iterator[Use]:
    """Send requests until the end of the block, from another thread; none may fail."""
    use = Use(stack)
    thread = threading.Thread(target=use)
    thread.start()
    try:
        wait_until(lambda: use.count)
        yield use
        done = use.count
        wait_until(lambda: use.count > done + 1)
    finally:
        use.stop()
        thread.join()
    assert not use.failures


def test_stack_is_updated_and_rolled_back_in_use(
    former: Path, artifacts: Artifacts, stack: DeployedStack, receiver: Receiver
) -> None:
    """Data of the former version stays, and work begun before goes on after.

    The rollback is to an earlier deployment of this version: the former one can't read what this
    version stores (docs/decisions/0044).
    """
    stack.take(former, former / "build")
    stack.deploy()
    code = stack.code("api")
    stack.use_key("anna")
    secret = stack.command("webhook-secret", "--owner", "anna")
    done = labelled(stack, receiver, secret, "chelsea.png")
    receiver.answer = lambda _: 500
    refused = upload(stack, receiver, "coffee.png")
    receiver.wait_for(about(refused))
    begun, target = stack.create_upload(photo("page.png"), receiver.url)

    with in_use(stack):
        stack.take(ROOT, artifacts.zips)
        stack.deploy()
    assert stack.code("api") != code
    receiver.answer = lambda _: 200
    assert stack.put(target, photo("page.png")) == 200
    verify(secret, receiver.wait_for(about(begun)))
    stack.graphql(REDELIVER, id=f"msg_{refused}")
    stack.wait_for(refused, "LABELLED", "DELIVERED")
    assert stack.blob(done)["labels"] == stack.blob(begun)["labels"]
    new = labelled(stack, receiver, secret, "astronaut.png")
    assert by_label(stack) == {done, refused, begun, new}

    with in_use(stack):
        stack.deploy(logLevel="debug")
    assert stack.environment("api")["LABELLING_LOG_LEVEL"] == "debug"
    with in_use(stack):
        stack.roll_back()
    assert stack.environment("api")["LABELLING_LOG_LEVEL"] == "info"
    last = labelled(stack, receiver, secret, "horse.png")
    assert by_label(stack) == {done, refused, begun, new, last}
    assert stack.blob(new)["callback"]["status"] == "DELIVERED"
    assert wait_until(lambda: counts(stack).get("Cat") == 5)


def upload(stack: DeployedStack, receiver: Receiver, name: str) -> str:
    """Upload a picture; return its blob's id."""
    blob_id, target = stack.create_upload(photo(name), receiver.url)
    assert stack.put(target, photo(name)) == 200
    return blob_id


def labelled(stack: DeployedStack, receiver: Receiver, secret: str, name: str) -> str:
    """Upload a picture and see its webhook come; return its blob's id."""
    blob_id = upload(stack, receiver, name)
    verify(secret, receiver.wait_for(about(blob_id)))
    stack.wait_for(blob_id, "LABELLED", "DELIVERED")
    return blob_id


def about(blob_id: str) -> Callable[[Received], bool]:
    return lambda received: blob_id in received.body.decode()


def verify(secret: str, received: Received) -> None:
    body: dict[str, Any] = Webhook(secret).verify(received.body, received.headers)
    assert body["type"] == "blob.labelled"


def by_label(stack: DeployedStack) -> set[str]:
    """Return the ids of the blobs that show a cat."""
    found = stack.graphql('{ blobsByLabel(label: "cat") { nodes { id } } }')
    return {each["id"] for each in found["blobsByLabel"]["nodes"]}


def counts(stack: DeployedStack) -> dict[str, int]:
    """Return the numbers of blobs by label."""
    found = stack.graphql(COUNTS)["labels"]["nodes"]
    return {each["name"]: each["blobCount"] for each in found}
