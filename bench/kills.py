#!/usr/bin/env python3
"""Whether anything that was acknowledged is lost when the service is killed, again and again.

    bench/kills.py [--rounds 100] [--smoke]

Clients upload photographs with a callback URL, add labels, have pictures labelled again and delete
them, without a pause. Meanwhile the service is ended with SIGKILL at a random moment of each round,
and started again on the same data folder. At the end it is left to finish. Then

- every picture whose PUT was answered with 200 is labelled, and its webhook was delivered,
- it has every label whose addition was acknowledged, and
- it is gone if its deletion was acknowledged,
- `labelling verify` finds nothing.

The exit status is 1 if one of them does not hold. Requests that a kill cut off may have had their
effect or not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

import httpx

from tests.support.photos import as_jpeg, photo
from tests.support.process import CREATE, ServiceProcess
from tests.support.receiver import Receiver
from tests.support.waiting import wait_until

CLIENTS = 3
LIFE = (0.2, 3.0)  # seconds from a start to its kill
CHANCE = random.Random(1)  # noqa: S311  # the same moments each time
ADD = """
mutation ($ids: [ID!]!, $labels: [LabelInput!]!) {
  addLabels(ids: $ids, labels: $labels) {
    ... on CorrectedBlobs { outcomes { __typename } }
  }
}
"""
RELABEL = "mutation ($id: ID!) { relabelBlob(blobId: $id) { __typename } }"
DELETE = "mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename } }"
BLOB = "query ($id: ID!) { blob(id: $id) { status labels { name } callback { status } } }"


@dataclass
class Promise:
    """What was acknowledged of a blob."""

    id: str
    added: list[str] = field(default_factory=list)
    deletion: bool | None = None  # None: not asked for; False: asked for, without an answer
    lock: threading.Lock = field(default_factory=threading.Lock)


class Clients:
    """Threads that ask for changes, and the ledger of what was acknowledged."""

    def __init__(self, service: ServiceProcess, callback: str, number: int) -> None:
        self._service = service
        self._callback = callback
        self._pictures = [as_jpeg(photo(name)) for name in ("rocket.jpg", "chelsea.png")]
        self._over = threading.Event()
        self.promises: list[Promise] = []
        self.done: Counter[str] = Counter()
        self.faults: list[str] = []
        self._threads = [
            threading.Thread(target=self._work, args=(each,)) for each in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask for no more."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311
        while not self._over.is_set():
            with httpx.Client(base_url=self._service.url, timeout=60) as client:
                try:
                    while not self._over.is_set():
                        self._once(client, chance)
                except httpx.TransportError:
                    self.done["requests without an answer"] += 1
                except Exception as error:  # noqa: BLE001  # any is a finding
                    self.faults.append(f"{type(error).__name__}: {error}")
            self._over.wait(0.05)

    def _once(self, client: httpx.Client, chance: random.Random) -> None:
        kind = chance.choices(("upload", "add", "relabel", "delete"), (4, 3, 1, 1))[0]
        if kind == "upload" or not self.promises:
            self._upload(client, chance)
            return
        promise = chance.choice(self.promises)
        with promise.lock:
            if promise.deletion is not None:
                return
            if kind == "delete":
                promise.deletion = False
                ask(client, DELETE, id=promise.id)
                promise.deletion = True
            elif kind == "relabel":
                ask(client, RELABEL, id=promise.id)
            else:
                name = f"Kept {chance.randrange(10)}"
                answer = ask(client, ADD, ids=[promise.id], labels=[{"name": name}])
                (outcome,) = answer["addLabels"]["outcomes"]
                if outcome["__typename"] != "CorrectedBlob":
                    return  # not labelled yet
                promise.added.append(name)
        self.done[kind] += 1

    def _upload(self, client: httpx.Client, chance: random.Random) -> None:
        options = {"contentType": "JPEG", "callbackUrl": self._callback}
        created = ask(client, CREATE, input=options)["createUpload"]
        target = created["target"]
        headers = {each["name"]: each["value"] for each in target["headers"]}
        picture = chance.choice(self._pictures) + os.urandom(8)  # never seen
        client.put(target["url"], content=picture, headers=headers).raise_for_status()
        self.promises.append(Promise(created["blob"]["id"]))
        self.done["upload"] += 1


def ask(client: httpx.Client, query: str, **variables: Any) -> dict[str, Any]:
    """Execute an operation."""
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer
    return dict(answer["data"])


def broken(service: ServiceProcess, receiver: Receiver, promises: list[Promise]) -> Iterator[str]:
    """Yield the promises that were not kept, once the service had time to keep them."""
    with httpx.Client(base_url=service.url, timeout=60) as client:

        def blob(promise: Promise) -> dict[str, Any] | None:
            found: dict[str, Any] | None = ask(client, BLOB, id=promise.id)["blob"]
            return found

        def is_settled(promise: Promise) -> bool:
            found = blob(promise)
            return not found or (
                found["status"] in ("LABELLED", "FAILED")
                and found["callback"]["status"] not in ("PENDING", "RETRYING")
            )

        for promise in promises:
            wait_until(partial(is_settled, promise))
        told = {json.loads(each.body)["data"]["blob"]["id"] for each in receiver.received}
        for promise in promises:
            found = blob(promise)
            if promise.deletion and found:
                yield f"{promise.id} exists after its deletion"
            if promise.deletion is not None:
                continue
            if not found:
                yield f"{promise.id} is gone"
                continue
            names = {each["name"] for each in found["labels"] or ()}
            if found["status"] != "LABELLED":
                yield f"{promise.id} is {found['status']}"
            elif missing := set(promise.added) - names:
                yield f"{promise.id} lacks {', '.join(sorted(missing))}"
            if found["callback"]["status"] != "DELIVERED" or promise.id not in told:
                yield f"the webhook of {promise.id} is {found['callback']['status']}"


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--rounds", type=int, default=100)
    options.add_argument("--smoke", action="store_true", help="two rounds, to test the code")
    given = options.parse_args()
    rounds = 2 if given.smoke else given.rounds
    receiver = Receiver()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        service = ServiceProcess(data, "--log-level", "warning").start()
        clients = Clients(service, receiver.url, 1 if given.smoke else CLIENTS)
        try:
            for _ in range(rounds):
                time.sleep(CHANCE.uniform(LIFE[0], LIFE[1] / (5 if given.smoke else 1)))
                service.kill()
                service.start()
            wait_until(lambda: clients.done["upload"] > 0)
            clients.stop()
            faults = [*clients.faults, *broken(service, receiver, clients.promises)]
        finally:
            clients.stop()
            service.stop()
            receiver.close()
        verify = [sys.executable, "-m", "embedded", "verify", "--data", folder]
        verified = subprocess.run(verify, cwd=ROOT, capture_output=True, text=True, check=False)
    print(
        f"{rounds} kills, " + ", ".join(f"{n} {what}" for what, n in sorted(clients.done.items()))
    )
    print(verified.stdout.strip())
    for fault in faults:
        print(f"BROKEN {fault}")
    print(f"{len(faults)} promises broken")
    sys.exit(1 if faults or verified.returncode else 0)


if __name__ == "__main__":
    main()
