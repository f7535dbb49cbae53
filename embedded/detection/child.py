"""A child process that labels one image after another for its parent.

Its argument is JSON: `detector` and `options` say which detector to open, `seconds` is the
processor time that an image may take, `descriptor` is the file descriptor of its socket, `parent`
is the id of its parent. For each image the parent sends a line of JSON and the image's open file;
the child answers with a line of JSON. The child ends when the parent's end of the socket closes,
and is killed when the parent ends, where the system can do that.

The system bounds what an image may use, whatever its decoder does: a memory limit makes
allocations fail, and SIGPROF ends the process after too much processor time (docs/decisions/0021).
It also bounds what a decoder may reach, where a filter of system calls can be set
(`embedded/detection/seccomp.py`).
"""

from __future__ import annotations

import base64
import gc
import json
import os
import resource
import signal
import socket
import sys
import warnings
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import pillow_heif  # noqa: F401  # loaded now, because a confined process opens no file

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import LabellingError, PictureRefused
from core.domain.thumbnail import ThumbnailSize
from embedded.detection.answers import detection_to_document
from embedded.detection.parent import end_with_parent
from embedded.detection.seccomp import SeccompUnavailable, confine
from labeller.detectors.base import PATHS, Options, Picture
from labeller.detectors.registry import SELF_CONTAINED, create_detector
from labeller.imaging import pillow  # noqa: F401  # as pillow_heif
from labeller.imaging.decode import OUT_OF_MEMORY
from labeller.imaging.sources import give_back
from labeller.imaging.thumbnail import thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labeller.detectors.base import Detector

MAX_LINE: Final = 65536
MAX_MEMORY: Final = 512 * 1024**2  # bytes, the model included
# Added to what loading the detector took, so that a larger model leaves the same memory for images:
# decoding takes up to `labeller.imaging.sources.MAX_MEMORY`. With less to spare the C library can't
# allocate a page for a thread, and ends the process with status 127.
MEMORY_PER_IMAGE: Final = 448 * 1024**2
# Freed memory kept for the next image. To allocate it again costs a fifth of a small image's time.
KEPT_MEMORY: Final = 32 * 1024**2  # bytes
# Requests to the service come first. Beside programs that hold every processor, labelling gets
# about a tenth of one (sched(7): a step of niceness is a factor of 1.25).
NICENESS: Final = 10
_STATUS: Final = Path("/proc/self/status")  # proc(5): VmHWM is in kB
_STATM: Final = Path("/proc/self/statm")  # proc(5): sizes in pages


def main() -> int:
    """Answer requests until the other end of the socket closes; return the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent ends it, after the last answer
    config = json.loads(sys.argv[1])
    end_with_parent(config["parent"])
    options = options_from(config["options"])
    with socket.socket(fileno=config["descriptor"]) as channel:
        try:
            detector = create_detector(config["detector"], options)
        except LabellingError as error:
            with suppress(ConnectionError):  # the parent may have stopped because of another child
                _send(channel, {"unusable": str(error)})
            return 1
        make = partial(thumbnail, max_pixels=options.max_pixels)
        limit_memory(max(MAX_MEMORY, peak_memory() + MEMORY_PER_IMAGE))
        # Errors are sent as answers from here on. Libraries would print lines about odd files.
        warnings.simplefilter("ignore")
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stderr.fileno())
        os.nice(NICENESS)  # not before: loading has to end on a busy machine too
        unconfined = confinement_error(config["detector"])
        with suppress(ConnectionError):
            _send(channel, {"ready": detector.name, "unconfined": unconfined})
            serve(channel, detector, make, config["seconds"])
    return 0


def confinement_error(choice: str) -> str | None:
    """Confine this process, whose detector is `choice`; return why it is not confined."""
    if choice not in SELF_CONTAINED:
        return f"the detector {choice} may need the network, files or other programs"
    try:
        confine()
    except SeccompUnavailable as error:
        return str(error)
    return None


def serve(
    channel: socket.socket,
    detector: Detector,
    make: Callable[[BinaryIO, ThumbnailSize], bytes],
    seconds: float,
) -> None:
    """Answer requests until the other end of the socket closes."""
    give_back()
    gc.freeze()  # the garbage collector need not scan the objects made by loading
    at_rest = resident_memory()
    while True:
        line, descriptors, _, _ = socket.recv_fds(channel, MAX_LINE, 1)
        if not line:
            return
        # Processor time, so that no image fails because others kept the cores busy.
        signal.setitimer(signal.ITIMER_PROF, seconds)
        result = answer(detector, make, json.loads(line), descriptors[0])
        _send(channel, result)
        # The exception of a rejected image refers to itself and keeps the image's memory.
        succeeded = "labels" in result or "thumbnail" in result
        if not succeeded or resident_memory() >= at_rest + KEPT_MEMORY:
            give_back()


def options_from(document: Mapping[str, Any]) -> Options:
    """Return the options that `embedded.detection.pool.to_document` wrote."""
    paths = {field: Path(document[field]) for field in PATHS if document[field]}
    return Options(**{**document, **paths})


def resident_memory() -> int:
    """Return this process's resident memory in bytes; 0 if the system does not show it."""
    return _pages()[1] * resource.getpagesize() if _STATM.exists() else 0


def peak_memory() -> int:
    """Return the peak of this process's resident memory so far, in bytes; 0 if unknown."""
    if not _STATUS.exists():
        return 0
    # Not getrusage: its peak includes the parent's memory before exec.
    line = next(each for each in _STATUS.read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def limit_memory(most: int) -> None:
    """Limit this process's resident memory, in bytes; allocations beyond it fail.

    Only Linux counts all allocations against RLIMIT_DATA (getrlimit(2), since 4.7).
    """
    if not _STATM.exists():
        return
    _, resident, _, _, _, data, _ = _pages()
    limit = most + (data - resident) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _pages() -> list[int]:
    return [int(number) for number in os.pread(_statm(), MAX_LINE, 0).split()]


@cache
def _statm() -> int:
    """Return the open file, because a confined process can't open it again."""
    return os.open(_STATM, os.O_RDONLY)


def answer(
    detector: Detector,
    make: Callable[[BinaryIO, ThumbnailSize], bytes],
    wanted: dict[str, Any],
    descriptor: int,
) -> dict[str, Any]:
    """Label the image in an open file, or `make` its thumbnail; return the result or the error.

    The file is closed.
    """
    with os.fdopen(descriptor, "rb") as file:

        def opened() -> BinaryIO:
            again = os.fdopen(os.dup(file.fileno()), "rb")
            again.seek(0)  # the duplicate shares the position of `file`
            return again

        picture = Picture(
            wanted["key"],
            ImageType(wanted["content_type"]),
            opened,
            os.fstat(descriptor).st_size,
            lambda length: os.pread(descriptor, length, 0),
        )
        try:
            if size := wanted.get("thumbnail"):
                content = make(file, ThumbnailSize(size))
                return {"thumbnail": base64.b64encode(content).decode()}
            return detection_to_document(
                detector.detect(
                    picture,
                    max_labels=wanted["max_labels"],
                    min_confidence=wanted["min_confidence"],
                )
            )
        except PictureRefused as refusal:
            told = {"refused": refusal.code, "message": refusal.message}
            return {**told, "detail": refusal.detail}
        except MemoryError:  # the decoder's own handler ran out of memory too
            return {"refused": FailureCode.TOO_MANY_PIXELS, "message": OUT_OF_MEMORY}
        except Exception as error:  # noqa: BLE001  # the parent tries again
            return {"failed": f"{type(error).__name__}: {error}"}


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    try:
        line = json.dumps(message, allow_nan=False)
    except (TypeError, ValueError) as error:  # a detector of another package may return anything
        line = json.dumps({"failed": f"the detector's answer can't be written as JSON: {error}"})
    channel.sendall(line.encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
