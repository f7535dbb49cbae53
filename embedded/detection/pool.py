"""A detector that works in child processes.

Pillow holds the interpreter lock while it decodes, so threads would wait for each other's images.
A decoder that crashes or hangs ends its own process and nothing else.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused, Unavailable
from core.domain.label import Detection
from core.repositories.serialization import label_from_document
from labeller.detectors.base import DetectorUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeller.detectors.base import Options, Picture

log = logging.getLogger(__name__)

START_SECONDS: Final = 60.0
IMAGE_SECONDS: Final = 60.0
PROCESSOR_SHARE: Final = 0.5  # the part of these seconds that may be processor time
END_SECONDS: Final = 5.0
_ROOT: Final = Path(__file__).parents[2]

# Signals that end a process because of the image; a retry would not help.
_CRASHES: Final[dict[int, str]] = {
    **dict.fromkeys(
        (
            *(signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT),
            *(signal.SIGILL, signal.SIGFPE, signal.SIGTRAP),
        ),
        "The image is damaged and its decoder crashes. Save it again as an ordinary JPEG.",
    ),
    signal.SIGPROF: "The image takes too long to decode. Save it again as an ordinary JPEG.",
}


class DetectorPool:
    """Labels up to `size` images at the same time, each in a process. Close it after use.

    Each process opens its own detector: `choice` and `options` are those of
    `labeller.detectors.registry.create_detector`. An image may take `seconds`.
    """

    def __init__(
        self,
        choice: str,
        options: Options,
        *,
        size: int,
        seconds: float = IMAGE_SECONDS,
    ) -> None:
        self._arguments = {
            "detector": choice,
            "options": to_document(options),
            "seconds": seconds * PROCESSOR_SHARE,
        }
        self._seconds = seconds
        self._closed = False
        # Linux kills a child when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG), so
        # one thread starts all of them and lives as long as the pool.
        self._spawner = ThreadPoolExecutor(1, "detector spawner")
        self._children = [self._spawn() for _ in range(size)]
        self._idle: queue.Queue[_Child] = queue.Queue()
        for child in self._children:
            self._idle.put(child)
        self._changing = threading.Lock()
        self._name = ""

    def wait_until_ready(self) -> None:
        """Wait until every process has opened its detector. Raises DetectorUnusable."""
        for child in self._children:
            self._name = child.wait_until_ready()

    @property
    def name(self) -> str:
        """The detector and its version as name/version, known when the pool is ready.

        A detection's own value takes precedence: only its responses show Rekognition's version.
        """
        return self._name

    def health_error(self) -> str | None:
        """Replace processes that ended while idle; return which do not run, None if all do."""
        for _ in self._children:
            try:
                child = self._idle.get_nowait()
            except queue.Empty:
                break
            try:
                if not child.is_alive():
                    child = self._replace(child)
            except Unavailable as error:
                log.error("%s", error)  # noqa: TRY400  # no bug of ours
            finally:
                self._idle.put(child)
        dead = [str(child.pid) for child in self._children if not child.is_alive()]
        return f"not running: {', '.join(dead)}" if dead else None

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return the labels of an image, whose stream must be an open file.

        A process that ends or does not answer in time is replaced.

        Raises:
            PictureRefused: the image can't be labelled, or its decoder crashed or took too long.
            Unavailable: the process failed for another reason, or none can be started; call again
                later.

        """
        found = self._request(picture, max_labels=max_labels, min_confidence=min_confidence)
        self._name = found["detector"]
        labels = tuple(label_from_document(label) for label in found["labels"])
        return Detection(
            labels, found["width"], found["height"], found["detector"], found["content_type"]
        )

    def thumbnail(self, picture: Picture) -> bytes:
        """Return a small WebP of an image, whose stream must be an open file.

        Raises:
            PictureRefused, Unavailable: as `detect`.

        """
        return base64.b64decode(self._request(picture, thumbnail=True)["thumbnail"])

    def _request(self, picture: Picture, **options: Any) -> dict[str, Any]:
        request = {"key": picture.key, "content_type": picture.content_type.value, **options}
        child = self._idle.get()
        try:
            if not child.is_alive():
                child = self._replace(child)
            with picture.open() as file:
                found = child.ask(request, file.fileno(), self._seconds)
        except _ChildLost as lost:
            dead, child = child, self._replace(child)
            if crash := _CRASHES.get(dead.ended_by):
                raise PictureRefused(FailureCode.CORRUPT_IMAGE, crash) from lost
            raise Unavailable(
                f"The detector process of {picture.key} {lost} (exit status {dead.status})."
            ) from lost
        finally:
            self._idle.put(child)
        if "refused" in found:
            raise PictureRefused(found["refused"], found["message"])
        if "failed" in found:
            raise Unavailable(f"The detector failed on {picture.key}: {found['failed']}")
        return found

    def close(self) -> None:
        """End every process; kill those that do not end in time."""
        with self._changing:
            self._closed = True
            for child in self._children:
                child.close()
        for child in self._children:
            child.end(END_SECONDS)
        self._spawner.shutdown()

    def _spawn(self) -> _Child:
        return self._spawner.submit(_Child, self._arguments).result()

    def _replace(self, lost: _Child) -> _Child:
        lost.close()
        lost.end(0)
        with self._changing:
            if self._closed:
                return lost
            try:
                new = self._spawn()
            except OSError as exc:  # no more processes, descriptors or memory
                raise Unavailable(f"No detector process can be started: {exc}") from exc
            self._children[self._children.index(lost)] = new
        log.warning("detector process replaced", extra={"lost_pid": lost.pid, "pid": new.pid})
        return new


def to_document(options: Options) -> dict[str, Any]:
    """Return options as JSON values, paths absolute because a child has another folder."""
    document = asdict(options)
    for field in ("classifier", "model"):
        if path := document[field]:
            document[field] = str(Path(path).resolve())
    return document


class _ChildLost(Exception):
    """A process ended, or did not answer in time."""


class _Child:
    """One process and our end of its socket. One thread uses it at a time."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603  # our own module
                    [
                        *(sys.executable, "-m", "embedded.detection.child"),
                        json.dumps(
                            {
                                **arguments,
                                "descriptor": theirs.fileno(),
                                "parent": os.getpid(),
                            }
                        ),
                    ],
                    cwd=_ROOT,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    # A group of its own, as Ctrl-C is for the parent; but no session of its own:
                    # Linux gives each session the same share of the processors, whatever its
                    # niceness (sched(7), autogroups).
                    process_group=0,
                )
        except BaseException:
            ours.close()
            raise
        self._channel = ours
        self._name: str | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Its exit status when it has ended, below 0 for a signal; else None."""
        return self._process.returncode

    @property
    def ended_by(self) -> int:
        """The signal that ended it; 0 for none."""
        return max(0, -(self._process.returncode or 0))

    def wait_until_ready(self) -> str:
        """Return the detector's name when it is open. Raises DetectorUnusable."""
        if self._name is None:
            try:
                message = self._read(START_SECONDS)
            except _ChildLost as lost:
                raise DetectorUnusable(f"A detector process {lost} while it started.") from lost
            if "unusable" in message:
                raise DetectorUnusable(message["unusable"])
            self._name = message["ready"]
        return self._name

    def ask(self, request: dict[str, Any], descriptor: int, seconds: float) -> dict[str, Any]:
        """Send a request with the image's open file; return the answer. Raises _ChildLost."""
        try:
            self.wait_until_ready()
            line = json.dumps(request).encode() + b"\n"
            socket.send_fds(self._channel, [line], [descriptor])
        except (OSError, DetectorUnusable) as exc:
            raise _ChildLost("has ended") from exc
        return self._read(seconds)

    def close(self) -> None:
        """Close the socket, which ends the process after its current image."""
        self._channel.close()

    def end(self, seconds: float) -> None:
        """Wait for the process to end, and kill it after `seconds`."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self, seconds: float) -> dict[str, Any]:
        self._channel.settimeout(seconds)
        received = b""
        try:
            while not received.endswith(b"\n"):
                part = self._channel.recv(65536)
                if not part:
                    raise _ChildLost("has ended")
                received += part
        except TimeoutError as exc:
            raise _ChildLost(f"did not answer within {seconds:g} s") from exc
        except OSError as exc:
            raise _ChildLost("has ended") from exc
        answer: dict[str, Any] = json.loads(received)
        return answer
