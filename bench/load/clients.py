"""Clients that change pictures without a pause, and the ledger of what was acknowledged."""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from tests.support.images.photos import as_jpeg, photo
from tests.support.services.process import CREATE, ServiceProcess
from tests.support.waiting import wait_until
from tests.support.webhooks.receiver import Receiver

ADD = """
mutation ($ids: [ID!]!, $labels: [LabelInput!]!) {
  addLabels(ids: $ids, labels: $labels) {
    ... on CorrectedBlobs { outcomes { __typename } }
  }
}
"""
RELABEL = "mutation ($id: ID!) { relabelBlob(blobId: $id) { __typename } }"
DELETE = """
mutation ($id: ID!) { deleteBlob(blobId: $id) { __typename ... on Error { message } } }
"""
IN_PROGRESS = 8  # uploads of one client that are not labelled: faults are judged, not speed
BLOB = "query ($id: ID!) { blob(id: $id) { status labels { name } callback { status } } }"


class Refused(Exception):
    """The service refused a request with a code and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass
class Promise:
    """What was acknowledged of a blob."""

    id: str
    added: list[str] = field(default_factory=list)
    deletion: bool | None = None  # None: not asked for; False: asked for, without an answer
    lock: threading.Lock = field(default_factory=threading.Lock)


class Clients:
    """Threads that ask for changes, and the ledger of what was acknowledged.

    `refusals` are the codes with which the service may refuse; another one is a fault.
    """

    def __init__(
        self,
        service: ServiceProcess,
        callback: str,
        number: int,
        refusals: Collection[str] = (),
    ) -> None:
        self._service = service
        self._callback = callback
        self._refusals = refusals
        self._pictures = [as_jpeg(photo(name)) for name in ("rocket.jpg", "chelsea.png")]
        self._over = threading.Event()
        self.promises: list[Promise] = []
        self.done: Counter[str] = Counter()
        self.refused: dict[str, str] = {}  # a message by its code
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
        waiting: deque[str] = deque()
        while not self._over.is_set():
            with httpx.Client(base_url=self._service.url, timeout=60) as client:
                try:
                    while not self._over.is_set():
                        self._try_once(client, chance, waiting)
                except httpx.TransportError:
                    self.done["requests without an answer"] += 1
                except Exception as error:  # noqa: BLE001  # any is a finding
                    self.faults.append(f"{type(error).__name__}: {error}")
            self._over.wait(0.05)

    def _try_once(self, client: httpx.Client, chance: random.Random, waiting: deque[str]) -> None:
        try:
            self._once(client, chance, waiting)
        except Refused as refused:
            if refused.code not in self._refusals:
                raise
            self.done["refusals"] += 1
            self.refused[refused.code] = refused.message
            self._over.wait(0.05)

    def _once(self, client: httpx.Client, chance: random.Random, waiting: deque[str]) -> None:
        kind = chance.choices(("upload", "add", "relabel", "delete"), (4, 3, 1, 1))[0]
        if kind == "upload" or not self.promises:
            if len(waiting) < IN_PROGRESS or is_finished(client, waiting[0]):
                waiting.append(self._upload(client, chance))
                if len(waiting) > IN_PROGRESS:
                    waiting.popleft()
            else:
                self._over.wait(0.05)
            return
        promise = chance.choice(self.promises)
        with promise.lock:
            if promise.deletion is not None:
                return
            if kind == "delete":
                promise.deletion = False
                deleted = ask(client, DELETE, id=promise.id)["deleteBlob"]
                if deleted["__typename"] != "DeletedBlob":
                    raise Refused(deleted["__typename"], deleted["message"])
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

    def _upload(self, client: httpx.Client, chance: random.Random) -> str:
        picture = chance.choice(self._pictures) + os.urandom(8)  # never seen
        promise = Promise(upload(client, picture, self._callback))
        self.promises.append(promise)
        self.done["upload"] += 1
        return promise.id


def is_finished(client: httpx.Client, blob_id: str) -> bool:
    """Tell whether a blob was labelled, or deleted."""
    found = ask(client, BLOB, id=blob_id)["blob"]
    return not found or found["status"] in ("LABELLED", "FAILED")


def ask(client: httpx.Client, query: str, **variables: Any) -> dict[str, Any]:
    """Execute an operation. Raises Refused."""
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    if "errors" in answer:
        error = answer["errors"][0]
        raise Refused(error["extensions"]["code"], error["message"])
    return dict(answer["data"])


def upload(client: httpx.Client, picture: bytes, callback: str | None = None) -> str:
    """Upload a JPEG; return its blob's id after the 200. Raises Refused."""
    options = {"contentType": "JPEG", "callbackUrl": callback}
    created = ask(client, CREATE, input=options)["createUpload"]
    if "target" not in created:
        raise Refused(created["__typename"], created["message"])
    target = created["target"]
    headers = {each["name"]: each["value"] for each in target["headers"]}
    answer = client.put(target["url"], content=picture, headers=headers)
    if answer.status_code != 200:
        error = answer.json()
        raise Refused(error["code"], error["message"])
    return str(created["blob"]["id"])


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
