"""A child process that detects labels, and our end of its socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from labeller.detectors.base import DetectorUnusable
from labeller.detectors.registry import SELF_CONTAINED

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = "embedded.detection.child"  # which the process runs
START_SECONDS: Final = 60.0
MAX_ANSWER: Final = 6_000_000  # bytes of a line; the largest are thumbnails of noise, 3.5 MB
_ROOT: Final = Path(__file__).parents[2]
_ENVIRONMENT: Final = frozenset({"PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})
_PREFIXES: Final = ("LC_", "MALLOC_", "PYTHON")
# One thread, because images are labelled in parallel; and no reports to Microsoft.
_FOR_LIBRARIES: Final = {"OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}


class ProcessLost(Exception):
    """A process ended, or did not answer in time."""


class DetectorProcess:
    """One process and our end of its socket. One thread uses it at a time."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603  # our own module
                    [
                        *(sys.executable, "-m", MODULE),
                        json.dumps(
                            {
                                **arguments,
                                "descriptor": theirs.fileno(),
                                "parent": os.getpid(),
                            }
                        ),
                    ],
                    cwd=_ROOT,
                    env=environment(arguments["detector"], os.environ),
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
        self.unconfined: str | None = None

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether it has not ended."""
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
            except ProcessLost as lost:
                raise DetectorUnusable(f"A detector process {lost} while it started.") from lost
            if "unusable" in message:
                raise DetectorUnusable(message["unusable"])
            self._name = message["ready"]
            self.unconfined = message["unconfined"]
        return self._name

    def ask(self, request: dict[str, Any], descriptor: int, seconds: float) -> dict[str, Any]:
        """Send a request with the image's open file; return the answer. Raises ProcessLost."""
        try:
            self.wait_until_ready()
            line = json.dumps(request).encode() + b"\n"
            socket.send_fds(self._channel, [line], [descriptor])
        except (OSError, DetectorUnusable) as exc:
            raise ProcessLost("has ended") from exc
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
        until = time.monotonic() + seconds
        received = bytearray()
        try:
            while not received.endswith(b"\n"):
                self._channel.settimeout(max(0.001, until - time.monotonic()))
                part = self._channel.recv(65536)
                if not part:
                    raise ProcessLost("has ended")
                received += part
                if len(received) > MAX_ANSWER:
                    raise ProcessLost(f"sent more than {MAX_ANSWER} bytes")
            answer: dict[str, Any] = json.loads(received)
        except TimeoutError as exc:
            raise ProcessLost(f"did not answer within {seconds:g} s") from exc
        except OSError as exc:
            raise ProcessLost("has ended") from exc
        except ValueError as exc:
            raise ProcessLost("did not answer with JSON") from exc
        return answer


def environment(choice: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process whose detector is `choice`.

    One that needs no credentials gets none: a decoder could be made to reveal them.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if choice not in SELF_CONTAINED or name in _ENVIRONMENT or name.startswith(_PREFIXES)
    }
    return kept | _FOR_LIBRARIES
