"""A detector process whose decoder has been taken over: what it then tries, and what it gets.

Run as `embedded.detection.child`, of which all else is real. Each label of its answer is an attempt
and its result; the images' bytes name the attempts.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from core.domain.label import Detection, Label
from embedded.detection import child
from labeller.detectors.base import Options, Picture

PR_SET_PDEATHSIG: Final = 1
PR_GET_NO_NEW_PRIVS: Final = 39


def open_socket(_: str) -> None:
    socket.socket()


def write_file(path: str) -> None:
    Path(path).write_text("attacked")


def read_file(path: str) -> None:
    Path(path).read_text()


def delete_file(path: str) -> None:
    Path(path).unlink()


def change_mode(path: str) -> None:
    Path(path).chmod(0o777)


def run_program(path: str) -> None:
    subprocess.run([sys.executable, "-c", f"open({path!r}, 'w')"], check=True)


def replace_program(path: str) -> None:
    os.execv(sys.executable, [sys.executable, "-c", f"open({path!r}, 'w')"])  # noqa: S606


def fork_process(_: str) -> None:
    if os.fork() == 0:
        os._exit(0)


def signal_parent(_: str) -> None:
    os.kill(os.getppid(), signal.SIGTERM)


def trace_parent(_: str) -> None:
    """By the bare call, as injected code would."""
    call(101 if os.uname().machine == "x86_64" else 117, 16, os.getppid(), 0)  # PTRACE_ATTACH


def outlive_parent(_: str) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def raise_limit(_: str) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def start_thread(_: str) -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def show_environment(_: str) -> None:
    raise RuntimeError(json.dumps(sorted(os.environ)))


def call(number: int, *arguments: int) -> None:
    if ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


ATTEMPTS: Final[dict[str, Callable[[str], None]]] = {
    each.__name__: each
    for each in (
        *(open_socket, write_file, read_file, delete_file, change_mode),
        *(run_program, replace_program, fork_process, signal_parent, trace_parent),
        *(outlive_parent, raise_limit, start_thread, show_environment),
    )
}


class Attacker:
    name = "attacker/1"

    def __init__(self, _choice: str, _options: Options) -> None:
        pass

    def detect(self, picture: Picture, **_: Any) -> Detection:
        with picture.open() as stream:
            attempt, path = stream.read().decode().split("\n")
        try:
            ATTEMPTS[attempt](path)
            result = "done"
        except Exception as error:  # noqa: BLE001
            result = f"{type(error).__name__}: {error}"
        return Detection((Label(result, 100.0),), 1, 1, self.name)


if __name__ == "__main__":
    child.create_detector = Attacker
    sys.exit(child.main())
