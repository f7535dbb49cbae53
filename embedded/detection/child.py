"""A process that labels one picture after another for its parent.

Its argument is JSON: `detector` and `options` to make the detector by, the `seconds` of a
processor that a picture may take, and the `descriptor` of its socket. That gives it a line of JSON
and the picture's open file for each; it answers a line of JSON. It ends when the parent's end of
the socket is closed, however the parent ended.

What a picture may take is bounded by the system, whatever its decoder does: memory by a limit that
makes allocations fail, time by SIGPROF, which ends the process (docs/decisions/0021).
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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import LabellingError, PictureRefused
from core.repositories.serialization import label_to_document
from labeller.detectors.base import Options, Picture
from labeller.detectors.registry import open_chosen
from labeller.imaging.decode import OUT_OF_MEMORY
from labeller.imaging.memory import give_back
from labeller.imaging.thumbnail import thumbnail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labeller.detectors.base import Detector

LONGEST_LINE: Final = 65536
MAX_MEMORY: Final = 512 * 1024**2  # bytes, with model and all
# Above what it took to load the detector, so that a larger model leaves room for pictures: decoding
# takes up to `labeller.imaging.sources.MAX_MEMORY`. With less to spare the C library gives up,
# it needs a page for a thread of its own, and ends the process with status 127.
ROOM: Final = 448 * 1024**2
# Of free memory is kept for the next picture: to take it anew costs a fifth of a small one's time.
SPARE: Final = 32 * 1024**2  # bytes
NICENESS: Final = 19  # a picture may wait for whoever asks the service something
_STATUS: Final = Path("/proc/self/status")  # proc(5): VmHWM is in kB
_STATM: Final = Path("/proc/self/statm")  # proc(5): sizes in pages


def main() -> int:
    """Serve a socket until its other end is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides: it may want an answer yet
    os.nice(NICENESS)
    told = json.loads(sys.argv[1])
    options = options_from(told["options"])
    with socket.socket(fileno=told["descriptor"]) as channel:
        try:
            detector = open_chosen(told["detector"], options)
        except LabellingError as error:
            with suppress(ConnectionError):  # another process may have told the parent first
                _send(channel, {"unusable": str(error)})
            return 1
        make = partial(thumbnail, max_pixels=options.max_pixels)
        limit_memory(max(MAX_MEMORY, peak_memory() + ROOM))
        # From here on errors are answers; libraries still print a line for each oddity of a file.
        warnings.simplefilter("ignore")
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stderr.fileno())
        _send(channel, {"ready": detector.name})
        give_back()
        gc.freeze()  # so that the collector needn't look at what loading made
        at_rest = resident_memory()
        try:
            while True:
                line, descriptors, _, _ = socket.recv_fds(channel, LONGEST_LINE, 1)
                if not line:
                    return 0
                # Its own seconds, so that no picture fails because others kept the cores busy.
                signal.setitimer(signal.ITIMER_PROF, told["seconds"])
                told_back = answer(detector, make, json.loads(line), descriptors[0])
                _send(channel, told_back)
                # A picture that was refused hangs in a cycle, by the frames of its exception.
                was_seen = "labels" in told_back or "thumbnail" in told_back
                if not was_seen or resident_memory() >= at_rest + SPARE:
                    give_back()
        except ConnectionError:
            return 0


def options_from(document: Mapping[str, Any]) -> Options:
    """Read what `to_document` wrote."""
    paths = {field: Path(document[field]) for field in ("classifier", "model") if document[field]}
    return Options(**{**document, **paths})


def resident_memory() -> int:
    """Return this process's resident memory in bytes; 0 where it isn't told."""
    return _pages()[1] * resource.getpagesize() if _STATM.exists() else 0


def peak_memory() -> int:
    """Return the most resident memory that this process had so far, in bytes; 0 if unknown."""
    if not _STATUS.exists():
        return 0
    # Of this program alone: getrusage's begins with what the parent had.
    line = next(each for each in _STATUS.read_text().splitlines() if each.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def limit_memory(most: int) -> None:
    """Let this process grow to so many bytes of resident memory; more makes allocations fail.

    Linux alone counts all that is allocated against RLIMIT_DATA (getrlimit(2), since 4.7).
    """
    if not _STATM.exists():
        return
    _, resident, _, _, _, data, _ = _pages()
    limit = most + (data - resident) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _pages() -> list[int]:
    return [int(number) for number in _STATM.read_text().split()]


def answer(
    detector: Detector,
    make: Callable[[BinaryIO], bytes],
    wanted: dict[str, Any],
    descriptor: int,
) -> dict[str, Any]:
    """Label the picture in an open file, which is closed, or `make` its thumbnail.

    Returns what came of it.
    """
    with os.fdopen(descriptor, "rb") as file:

        def opened() -> BinaryIO:
            again = os.fdopen(os.dup(file.fileno()), "rb")
            again.seek(0)  # as its place is that of `file`, too
            return again

        picture = Picture(
            wanted["key"],
            ImageType(wanted["content_type"]),
            opened,
            os.fstat(descriptor).st_size,
            lambda length: os.pread(descriptor, length, 0),
        )
        try:
            if wanted.get("thumbnail"):
                content = make(file)
                return {"thumbnail": base64.b64encode(content).decode()}
            seen = detector.detect(
                picture,
                max_labels=wanted["max_labels"],
                min_confidence=wanted["min_confidence"],
            )
            return {
                "labels": [label_to_document(label) for label in seen.labels],
                "width": seen.width,
                "height": seen.height,
                "detector": seen.detector,
                "content_type": seen.content_type,
            }
        except PictureRefused as refusal:
            return {"refused": refusal.code, "message": refusal.message}
        except MemoryError:  # even for saying so where it was raised
            return {"refused": FailureCode.TOO_MANY_PIXELS, "message": OUT_OF_MEMORY}
        except Exception as error:  # noqa: BLE001  # told to the parent, which tries again
            return {"failed": f"{type(error).__name__}: {error}"}


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    try:
        line = json.dumps(message, allow_nan=False)
    except (TypeError, ValueError) as error:  # another package's detector may return anything
        line = json.dumps({"failed": f"its answer can't be told: {error}"})
    channel.sendall(line.encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
