"""A detector that works in child processes.

A decoder that crashes or hangs ends its own process and nothing else.
"""

from __future__ import annotations

import base64
import logging
import queue
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from core.domain.blob import FailureCode
from core.domain.errors import PictureRefused, Unavailable
from embedded.detection.answers import detection_from_document
from embedded.detection.process import DetectorProcess, ProcessLost
from embedded.metrics.recorder import Recorder
from labeller.detectors.base import PATHS

if TYPE_CHECKING:
    from core.domain.label import Detection
    from core.domain.thumbnail import ThumbnailSize
    from labeller.detectors.base import Options, Picture

log = logging.getLogger(__name__)

IMAGE_SECONDS: Final = 60.0
PROCESSOR_SHARE: Final = 0.5  # the part of these seconds that may be processor time
END_SECONDS: Final = 5.0

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
        recorder: Recorder | None = None,
    ) -> None:
        self._recorder = recorder or Recorder()
        self._arguments = {
            "detector": choice,
            "options": to_document(options),
            "seconds": seconds * PROCESSOR_SHARE,
        }
        self._seconds = seconds
        self._closed = False
        # PR_SET_PDEATHSIG (prctl(2)) acts when the starting thread ends: one thread starts all.
        self._spawner = ThreadPoolExecutor(1, "detector spawner")
        self._children = [self._spawn() for _ in range(size)]
        self._idle: queue.Queue[DetectorProcess] = queue.Queue()
        for child in self._children:
            self._idle.put(child)
        self._changing = threading.Lock()
        self._name = ""
        self._unconfined: str | None = None

    def wait_until_ready(self) -> None:
        """Wait until every process has opened its detector. Raises DetectorUnusable."""
        for child in self._children:
            self._name = child.wait_until_ready()
        self._unconfined = self._children[0].unconfined
        if self._unconfined:
            log.warning("detector processes are not confined: %s", self._unconfined)

    @property
    def unconfined(self) -> str | None:
        """Why the processes are not confined, known when the pool is ready; None if they are."""
        return self._unconfined

    @property
    def name(self) -> str:
        """The detector and its version as name/version, known when the pool is ready.

        A detection's own value takes precedence: only its responses show Rekognition's version.
        """
        return self._name

    def process_ids(self) -> list[int]:
        """Return the ids of the processes."""
        return [child.pid for child in self._children]

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
        return detection_from_document(found)

    def thumbnail(self, picture: Picture, size: ThumbnailSize) -> bytes:
        """Return a WebP of an image, whose stream must be an open file.

        Raises:
            PictureRefused, Unavailable: as `detect`.

        """
        return base64.b64decode(self._request(picture, thumbnail=size.value)["thumbnail"])

    def _request(self, picture: Picture, **options: Any) -> dict[str, Any]:
        request = {"key": picture.key, "content_type": picture.content_type.value, **options}
        asked = time.monotonic()
        child = self._idle.get()
        began = time.monotonic()
        self._recorder.stage("wait", began - asked)
        try:
            if not child.is_alive():
                child = self._replace(child)
            with picture.open() as file:
                found = child.ask(request, file.fileno(), self._seconds)
            self._recorder.stage("process", time.monotonic() - began)
        except ProcessLost as lost:
            dead, child = child, self._replace(child)
            if crash := _CRASHES.get(dead.ended_by):
                raise PictureRefused(FailureCode.CORRUPT_IMAGE, crash) from lost
            raise Unavailable(
                f"The detector process of {picture.key} {lost} (exit status {dead.status})."
            ) from lost
        finally:
            self._idle.put(child)
        if "refused" in found:
            raise PictureRefused(found["refused"], found["message"], found.get("detail", ""))
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

    def _spawn(self) -> DetectorProcess:
        return self._spawner.submit(DetectorProcess, self._arguments).result()

    def _replace(self, lost: DetectorProcess) -> DetectorProcess:
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
        self._recorder.replaced()
        log.warning("detector process replaced", extra={"lost_pid": lost.pid, "pid": new.pid})
        return new


def to_document(options: Options) -> dict[str, Any]:
    """Return options as JSON values, paths absolute because a child has another folder."""
    document = asdict(options)
    for field in PATHS:
        if path := document[field]:
            document[field] = str(Path(path).resolve())
    return document
