"""Upload folders of pictures through the public API, each once."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import uuid
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from core.domain.errors import LabellingError
from embedded.client.api import NotAllowed, Refusal, Stopped, Unreachable
from labeller.imaging.header import PREFIX_BYTES, describe, type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from core.domain.blob import ImageType
    from embedded.client.api import ApiClient

T = TypeVar("T")

_CHUNK: Final = 1024**2
_LONGEST_WAIT: Final = 5.0  # seconds for a quota, before it is looked at again
_WAIT_LOOK: Final = 0.5
_IDS: Final = 100  # of one look
_AHEAD: Final = 4  # files for each worker that are handed out
# A failure of the same bytes that another upload may not meet with.
_WORTH_ANOTHER: Final = frozenset(
    {"CONTENT_TYPE_MISMATCH", "ORIGINAL_MISSING", "LABELLER_UNAVAILABLE"}
)

FIND: Final = """
query ($sha256: String!) {
  blobs(first: 5, filter: {sha256: $sha256, status: [LABELLING, LABELLED, FAILED]}) {
    nodes { id status failure { code } }
  }
}
"""
CREATE: Final = """
mutation ($input: CreateUploadInput!) {
  createUpload(input: $input) {
    __typename
    ... on CreatedUpload { blob { id status } target { method url headers { name value } } }
    ... on InvalidInput { problems { field message } }
    ... on QuotaExceeded { retryAt }
    ... on Error { message }
  }
}
"""
RENEW: Final = """
mutation ($id: ID!) {
  renewUpload(blobId: $id) {
    ... on RenewedUpload { target { method url headers { name value } } }
    ... on WrongState { status }
    ... on Error { message }
  }
}
"""
OUTCOMES: Final = """
query ($ids: [ID!]!) {
  nodes(ids: $ids) { ... on Blob { id status failure { message } } }
}
"""


class Outcome(StrEnum):
    """What became of a file."""

    UPLOADED = "uploaded"
    THERE = "there already"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one file, with why; `blob_id` is of the blob that has its bytes now."""

    path: Path
    outcome: Outcome
    why: str = ""
    size: int = 0
    blob_id: str | None = None


@dataclass(slots=True)
class Report:
    """What became of all files so far."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    size: int = 0  # bytes uploaded
    told: list[Done] = field(default_factory=list)  # skipped and failed
    uploaded: dict[str, Path] = field(default_factory=dict)  # by the blob's id

    def add(self, done: Done) -> None:
        """Count one file."""
        self.counts[done.outcome] += 1
        if done.outcome is Outcome.UPLOADED:
            self.size += done.size
            if done.blob_id:
                self.uploaded[done.blob_id] = done.path
        elif done.outcome in (Outcome.SKIPPED, Outcome.FAILED):
            self.told.append(done)

    @property
    def seen(self) -> int:
        """How many files are done with."""
        return self.counts.total()


class Fatal(LabellingError):
    """The rest would fail, too."""


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """Give files, and those in folders whatever their depth, by name; hidden ones are left out.

    A link to a folder is not followed, so that none is met twice. Raises FileNotFoundError for a
    path that is not there.
    """
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"There is no {path}.")
        if not path.is_dir():
            yield path
            continue
        for folder, names, files in os.walk(path):
            names[:] = sorted(name for name in names if not name.startswith("."))
            yield from (Path(folder, each) for each in sorted(files) if not each.startswith("."))


def digest_of(path: Path) -> tuple[str, int]:
    """Return the SHA-256 (base64) and the size of a file, read piece by piece. Raises OSError."""
    made, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            made.update(piece)
            size += len(piece)
    return base64.b64encode(made.digest()).decode(), size


class Importer:
    """Uploads one file after the other, from as many threads as call it.

    `wishes` go with every createUpload (callbackUrl, maxLabels, minConfidence); `say` is told what
    a person should know meanwhile.
    """

    def __init__(
        self, api: ApiClient, wishes: dict[str, Any], say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._api = api
        self._wishes = wishes
        self._say = say
        self._taken: dict[str, Path] = {}
        self._guard = threading.Lock()
        self._told_until: str | None = None

    def take(self, path: Path) -> Done:
        """Upload a file whose bytes the service doesn't have.

        Raises:
            Fatal: nothing can be uploaded, whatever the file.
            Stopped: told to stop meanwhile.

        """
        try:
            return self._take(path)
        except OSError as exc:
            return Done(path, Outcome.FAILED, f"can't be read: {exc.strerror or exc}")
        except Refusal as exc:
            return Done(path, Outcome.FAILED, str(exc))
        except (Unreachable, NotAllowed) as exc:
            raise Fatal(str(exc)) from exc

    def _take(self, path: Path) -> Done:
        if not path.is_file():
            return Done(path, Outcome.SKIPPED, "no ordinary file")
        with path.open("rb") as file:
            prefix = file.read(PREFIX_BYTES)
        kind = type_of(prefix)
        if kind is None:
            return Done(path, Outcome.SKIPPED, f"{describe(prefix)}, no picture that is taken")
        digest, size = digest_of(path)
        with self._guard:
            first = self._taken.setdefault(digest, path)
        if first is not path:
            return Done(path, Outcome.THERE, f"the same as {first}")
        if self._is_there(digest):
            return Done(path, Outcome.THERE)
        return self._upload(path, kind, digest, size)

    def _upload(self, path: Path, kind: ImageType, digest: str, size: int) -> Done:
        wish = {**self._wishes, "contentType": kind.name, "sizeBytes": size, "sha256": digest}
        # The same for the same bytes: an import that was broken off goes on with the same blob.
        made = self._create({**wish, "idempotencyKey": f"import {digest}"})
        if made["__typename"] == "IdempotencyKeyReused" or (
            made["__typename"] == "CreatedUpload" and made["blob"]["status"] == "EXPIRED"
        ):  # the key was for other wishes, or is for a blob that can't be had any more
            made = self._create({**wish, "idempotencyKey": str(uuid.uuid4())})
        match made["__typename"]:
            case "CreatedUpload":
                pass
            case "CallbackUrlRefused":
                raise Fatal(made["message"])
            case "InvalidInput":
                problems = "; ".join(f"{p['field']} {p['message']}" for p in made["problems"])
                return Done(path, Outcome.FAILED, problems)
            case _:
                return Done(path, Outcome.FAILED, made["message"])
        return self._send(path, size, made["blob"]["id"], made["target"])

    def _is_there(self, digest: str) -> bool:
        found = self._api.ask(FIND, sha256=digest)["blobs"]["nodes"]
        codes = [each["failure"]["code"] if each["failure"] else None for each in found]
        return any(code not in _WORTH_ANOTHER for code in codes)

    def _create(self, wish: dict[str, Any]) -> dict[str, Any]:
        while True:
            made: dict[str, Any] = self._api.ask(CREATE, input=wish)["createUpload"]
            if made["__typename"] != "QuotaExceeded":
                return made
            with self._guard:
                news, self._told_until = made["retryAt"] != self._told_until, made["retryAt"]
            if news:
                self._say(f"{made['message']} Waiting.")
            left = (datetime.fromisoformat(made["retryAt"]) - datetime.now(UTC)).total_seconds()
            self._api.wait(min(max(left, _WAIT_LOOK), _LONGEST_WAIT))

    def _send(self, path: Path, size: int, blob_id: str, target: dict[str, Any]) -> Done:
        for renewed in (False, True):
            headers = {each["name"]: each["value"] for each in target["headers"]}
            headers["content-length"] = str(size)
            answer = self._api.send(target["method"], target["url"], headers, lambda: _pieces(path))
            match answer.status_code:
                case 200:
                    return Done(path, Outcome.UPLOADED, size=size, blob_id=blob_id)
                case 409 | 412:  # sent before, and the answer lost
                    return Done(path, Outcome.THERE, blob_id=blob_id)
                case 403 if not renewed:  # the URL's time was over
                    made = self._api.ask(RENEW, id=blob_id)["renewUpload"]
                    if "target" not in made:
                        if made.get("status") in ("LABELLING", "LABELLED", "FAILED"):
                            return Done(path, Outcome.THERE, blob_id=blob_id)
                        return Done(path, Outcome.FAILED, made["message"])
                    target = made["target"]
                case status:
                    return Done(path, Outcome.FAILED, _why(status, answer.text))
        raise AssertionError("a renewed URL is answered")


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def _why(status: int, body: str) -> str:
    if status == 400:  # noqa: PLR2004  # S3's BadDigest, and our door's
        return "it changed while it was read; give it again"
    return f"the object store answered {status}: {' '.join(body.split())[:200]}"


def in_threads(
    work: Callable[[T], Done], items: Iterable[T], count: int, stopping: threading.Event
) -> Iterator[Done]:
    """Give what comes of each item, from so many threads, in the order in which they are done.

    Whatever `work` raises, and any exception thrown in here, ends it; what is in hand is awaited.
    """
    with ThreadPoolExecutor(count, thread_name_prefix="import") as pool:
        waiting: set[Future[Done]] = set()
        try:
            for item in items:
                waiting.add(pool.submit(work, item))
                if len(waiting) >= count * _AHEAD:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (each.result() for each in done)
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        except BaseException:
            stopping.set()
            pool.shutdown(cancel_futures=True)
            raise


def labelled(
    api: ApiClient, blob_ids: Iterable[str], look: Callable[[int], None] = lambda _: None
) -> tuple[int, dict[str, str]]:
    """Wait until no blob is being labelled; return how many have labels, and why others failed.

    `look` is told after each look how many are done. Raises as `ApiClient.ask`.
    """
    left = list(blob_ids)
    total, done, failed = len(left), 0, {}
    while left:
        asked, left = left[:_IDS], left[_IDS:]
        nodes = api.ask(OUTCOMES, ids=asked)["nodes"]
        under_way = []
        for blob_id, blob in zip(asked, nodes, strict=True):
            if blob is None:
                failed[blob_id] = "deleted meanwhile"
            elif blob["status"] == "FAILED":
                failed[blob_id] = blob["failure"]["message"]
            elif blob["status"] == "LABELLED":
                done += 1
            else:
                under_way.append(blob_id)
        left = under_way + left
        look(total - len(left))
        if len(under_way) == len(asked):
            api.wait(_WAIT_LOOK)
    return done, failed


__all__ = [
    "Done",
    "Fatal",
    "Importer",
    "Outcome",
    "Report",
    "Stopped",
    "digest_of",
    "files_in",
    "in_threads",
    "labelled",
]
