"""A detector whose work is done by other processes, one per core.

Pillow holds the interpreter while it decodes, so threads beside it would wait for each picture.
A decoder that crashes or hangs takes its own process with it and nothing else.
"""

from __future__ import annotations

import base64
import json
import logging
import queue
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import Detection, FailureCode, ImageType
from core.domain.errors import PictureRefused, Unavailable
from core.repositories.serialization import label_from_document
from labeller.detectors.base import DetectorUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeller.detectors.base import Options, Picture

log = logging.getLogger(__name__)

SECONDS_TO_START: Final = 60.0
SECONDS_PER_PICTURE: Final = 60.0
PROCESSOR_SHARE: Final = 0.5  # of these seconds that a picture may keep a processor busy
SECONDS_TO_END: Final = 5.0
_ROOT: Final = Path(__file__).parents[2]

# By what a process ends when it is the picture that is at fault: trying again is no use.
_CRASHES: Final[dict[int, str]] = {
    **dict.fromkeys(
        (
            signal.SIGSEGV,
            signal.SIGBUS,
            signal.SIGABRT,
            signal.SIGILL,
            signal.SIGFPE,
            signal.SIGTRAP,
        ),
        "The picture is damaged in a way that breaks its decoder.",
    ),
    signal.SIGPROF: "The picture takes too long to decode. Save it again as an ordinary JPEG.",
}


class DetectorPool:
    """Labels up to `size` pictures at the same time. Close it when done.

    Each process makes its own detector: `choice` and `options` are as for
    `labeller.detectors.registry.open_chosen`.
    """

    def __init__(
        self,
        choice: str,
        options: Options,
        *,
        size: int,
        seconds: float = SECONDS_PER_PICTURE,
    ) -> None:
        self._arguments = {
            "detector": choice,
            "options": to_document(options),
            "seconds": seconds * PROCESSOR_SHARE,
        }
        self._seconds = seconds
        self._closed = False
        self._children = [_Child(self._arguments) for _ in range(size)]
        self._idle: queue.Queue[_Child] = queue.Queue()
        for child in self._children:
            self._idle.put(child)
        self._changing = threading.Lock()
        self._name = ""

    def wait_until_ready(self) -> None:
        """Wait until every process has made its detector. Raises DetectorUnusable."""
        for child in self._children:
            self._name = child.wait_until_ready()

    @property
    def name(self) -> str:
        """The detector and its version, known once the pool is ready.

        What is told with a detection goes before: Rekognition's version is known from its answers.
        """
        return self._name

    def health_error(self) -> str | None:
        """Replace processes that died idle; tell which are not running still, if any."""
        for _ in self._children:
            try:
                child = self._idle.get_nowait()
            except queue.Empty:
                break
            try:
                if not child.is_alive():
                    child = self._replace(child)
            finally:
                self._idle.put(child)
        dead = [str(child.pid) for child in self._children if not child.is_alive()]
        return f"not running: {', '.join(dead)}" if dead else None

    def detect(self, picture: Picture, *, max_labels: int, min_confidence: float) -> Detection:
        """Return what is seen in the picture, as the port promises.

        Its stream must be an open file. A process that ends or is silent for too long is
        replaced. The picture is refused if its decoder crashed or worked for too long, and is to
        be tried again otherwise.
        """
        found = self._ask(picture, max_labels=max_labels, min_confidence=min_confidence)
        self._name = found["detector"]
        labels = tuple(label_from_document(label) for label in found["labels"])
        kind = ImageType(found["content_type"]) if found["content_type"] else None
        return Detection(labels, found["width"], found["height"], found["detector"], kind)

    def thumbnail(self, picture: Picture) -> bytes:
        """Return a small WebP of the picture, whose stream must be an open file.

        Raises:
            PictureRefused, Unavailable: as `detect`.

        """
        return base64.b64decode(self._ask(picture, thumbnail=True)["thumbnail"])

    def _ask(self, picture: Picture, **wishes: Any) -> dict[str, Any]:
        wanted = {"key": picture.key, "content_type": picture.content_type.value, **wishes}
        child = self._idle.get()
        try:
            if not child.is_alive():
                child = self._replace(child)
            with picture.open() as file:
                found = child.ask(wanted, file.fileno(), self._seconds)
        except _ChildLost as lost:
            dead, child = child, self._replace(child)
            if crash := _CRASHES.get(dead.ended_by):
                raise PictureRefused(FailureCode.CORRUPT_IMAGE, crash) from lost
            raise Unavailable(
                f"The process that looked at {picture.key} {lost} (status {dead.status})."
            ) from lost
        finally:
            self._idle.put(child)
        if "refused" in found:
            raise PictureRefused(found["refused"], found["message"])
        if "failed" in found:
            raise Unavailable(f"The detector failed on {picture.key}: {found['failed']}")
        return found

    def close(self) -> None:
        """End every process, by force if it won't."""
        with self._changing:
            self._closed = True
            for child in self._children:
                child.close()
        for child in self._children:
            child.end(SECONDS_TO_END)

    def _replace(self, lost: _Child) -> _Child:
        lost.close()
        lost.end(0)
        with self._changing:
            if self._closed:
                return lost
            new = _Child(self._arguments)
            self._children[self._children.index(lost)] = new
        log.warning("detector process replaced", extra={"lost_pid": lost.pid, "pid": new.pid})
        return new


def to_document(options: Options) -> dict[str, Any]:
    """Write options as JSON has them; whole paths, as a process has its own folder."""
    document = asdict(options)
    for field in ("classifier", "model"):
        if path := document[field]:
            document[field] = str(Path(path).resolve())
    return document


class _ChildLost(Exception):
    """A process ended, or did not answer in time."""


class _Child:
    """One process and our end of its socket. Used by one thread at a time."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # our own module
                [
                    *(sys.executable, "-m", "embedded.detection.child"),
                    json.dumps({**arguments, "descriptor": theirs.fileno()}),
                ],
                cwd=_ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # Ctrl-C is for the parent. No session of its own: Linux would give each session the
                # same share of the processors, however nice it is (sched(7), autogroups).
                process_group=0,
            )
        self._channel = ours
        self._name: str | None = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """Its exit status, once it has ended; less than 0 for a signal."""
        return self._process.returncode

    @property
    def ended_by(self) -> int:
        """The signal that ended it; 0 for none."""
        return max(0, -(self._process.returncode or 0))

    def wait_until_ready(self) -> str:
        """Return the detector's name once it is made. Raises DetectorUnusable."""
        if self._name is None:
            try:
                told = self._read(SECONDS_TO_START)
            except _ChildLost as lost:
                raise DetectorUnusable(
                    f"A process to label pictures {lost} at its start."
                ) from lost
            if "unusable" in told:
                raise DetectorUnusable(told["unusable"])
            self._name = told["ready"]
        return self._name

    def ask(self, wanted: dict[str, Any], descriptor: int, seconds: float) -> dict[str, Any]:
        """Hand over a picture and return the answer. Raises _ChildLost."""
        try:
            self.wait_until_ready()
            line = json.dumps(wanted).encode() + b"\n"
            socket.send_fds(self._channel, [line], [descriptor])
        except (OSError, DetectorUnusable) as exc:
            raise _ChildLost("has ended") from exc
        return self._read(seconds)

    def close(self) -> None:
        """Let it know that nothing more will be asked."""
        self._channel.close()

    def end(self, seconds: float) -> None:
        """Wait for its end, and kill it when it takes longer than that."""
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
