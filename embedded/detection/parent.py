"""The tie of a child process to the service that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # Linux, prctl(2)
_PR_SET_NO_NEW_PRIVS: Final = 38


def end_with_parent(parent: int) -> None:
    """Have the system kill this process when the thread that started it ends (Linux).

    A process that hangs or is stopped does not see its socket close. It gains no privileges by
    programs that it might be made to run, either.
    """
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the call
        os._exit(1)
