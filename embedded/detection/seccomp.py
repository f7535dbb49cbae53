"""A filter of system calls, for a process that from then on only computes (Linux, seccomp(2)).

It may use the memory, threads and open files that it has. It gets no network, opens no file, starts
no program or process, and reaches no other process. A forbidden call fails with EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import platform
import struct
import sys
import termios
from typing import TYPE_CHECKING, Final

from embedded.detection.syscalls import (
    FILES,
    FIRST_UNKNOWN,
    NETWORK,
    PARTLY,
    PROCESSES,
    PROGRAMS,
    SECCOMP,
    SYSTEM,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

# Linux on each of these machines: the column in the tables, and AUDIT_ARCH_* of linux/audit.h.
MACHINES: Final = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}
FORBIDDEN: Final = NETWORK | PROGRAMS | FILES | PROCESSES | SYSTEM

# Instructions of classic BPF (linux/bpf_common.h).
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# What a filter returns (linux/seccomp.h).
_ALLOW: Final = 0x7FFF_0000
_KILL: Final = 0x8000_0000
_ERROR: Final = 0x0005_0000
# Offsets in struct seccomp_data (linux/seccomp.h); both machines are little-endian.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16

_SET_MODE_FILTER: Final = 1
_ALL_THREADS: Final = 1  # SECCOMP_FILTER_FLAG_TSYNC
_CLONE_THREAD: Final = 0x1_0000
_PR_SET_PDEATHSIG: Final = 1
# Of fcntl(2): they have the system send signals, or report what other processes do.
_F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY = 10, 15, 1024, 1026

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


class SeccompUnavailable(Exception):
    """The system has no such filter, or does not let this process set one."""


def confine() -> None:
    """Confine all threads of this process for good. Raises SeccompUnavailable.

    The process must have set PR_SET_NO_NEW_PRIVS.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in MACHINES or sys.maxsize < 2**32:
        raise SeccompUnavailable(f"there is no filter for {sys.platform} on {machine}")
    code = b"".join(struct.pack("=HBBI", *each) for each in program(machine, os.getpid()))
    instructions = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog (linux/filter.h)
    filters = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    call = ctypes.CDLL(None, use_errno=True).syscall
    number = ctypes.c_long(SECCOMP[MACHINES[machine][0]])
    if unsynchronised := call(number, _SET_MODE_FILTER, _ALL_THREADS, filters):
        reason = os.strerror(ctypes.get_errno()) if unsynchronised < 0 else "a thread has another"
        raise SeccompUnavailable(f"seccomp(2) refused the filter: {reason}")


def program(machine: str, pid: int) -> list[Instruction]:
    """Return the filter for a process of that id on one of MACHINES."""
    column, arch = MACHINES[machine]
    allow, deny = (_RETURN, 0, 0, _ALLOW), _error(errno.EPERM)
    found = [
        (_LOAD, 0, 0, _ARCH),
        (_IF_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),  # the same numbers are other calls there
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 0, 1, FIRST_UNKNOWN),
        _error(errno.ENOSYS),
    ]

    def add(name: str, *then: Instruction) -> None:
        number = (FORBIDDEN | PARTLY)[name][column]
        if number is not None:
            found.extend([(_IF_EQUAL, 0, len(then), number), *then])

    for name in FORBIDDEN:
        add(name, deny)
    # Its flags are in memory, which a filter can't read; C libraries then call clone.
    add("clone3", _error(errno.ENOSYS))
    add("clone", _argument(0), (_IF_BITS, 0, 1, _CLONE_THREAD), allow, deny)
    for name in ("kill", "tgkill"):  # abort(3) signals its own process
        add(name, _argument(0), (_IF_EQUAL, 0, 1, pid), allow, deny)
    add("prctl", _argument(0), *_one_of([_PR_SET_PDEATHSIG], deny), allow)
    # Reading a limit gives no new one: a null pointer.
    is_null = [_argument(2), (_IF_EQUAL, 0, 3, 0), _argument(2, high=True), (_IF_EQUAL, 0, 1, 0)]
    add("prlimit64", *is_null, allow, deny)
    harmless = [termios.TCGETS, termios.FIONREAD, termios.FIONBIO, termios.FIOCLEX]
    add("ioctl", _argument(1), *_one_of(harmless, allow), deny)
    signalling = [fcntl.F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY]
    add("fcntl", _argument(1), *_one_of(signalling, deny), allow)
    return [*found, allow]


def _error(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERROR | number)


def _argument(index: int, *, high: bool = False) -> Instruction:
    """Load 32 of the 64 bits of an argument."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * index + 4 * high)


def _one_of(values: Iterable[int], then: Instruction) -> list[Instruction]:
    return [each for value in values for each in ((_IF_EQUAL, 0, 1, value), then)]
