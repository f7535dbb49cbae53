"""The filter of system calls: which calls it lets through, on every machine that has one."""

from __future__ import annotations

import errno
import fcntl
import struct
import termios

import pytest

from embedded.detection.seccomp import FORBIDDEN, MACHINES, program
from embedded.detection.syscalls import FIRST_UNKNOWN, PARTLY

PID = 4711
ALLOWED = "allowed"
KILLED = "killed"
# Calls that decoding needs, and their numbers on x86-64 and aarch64.
NEEDED = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "pread64": (17, 67),
    "madvise": (28, 233),
    "dup": (32, 23),
    "setitimer": (38, 103),
    "sendto": (44, 206),
    "recvmsg": (47, 212),
    "exit_group": (231, 94),
    "futex": (202, 98),
}


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def outcome(machine: str, number: int, *arguments: int, arch: int | None = None) -> str:
    """Run the filter for a call, as the kernel does: "allowed", "killed" or the error's name."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    called = MACHINES[machine][1] if arch is None else arch
    data = struct.pack("<IIQ6Q", number, called, 0, *padded)
    instructions = program(machine, PID)
    at = accumulator = 0
    while True:
        code, if_true, if_false, operand = instructions[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, operand)
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case 0x06 if operand == 0x7FFF0000:
                return ALLOWED
            case 0x06 if operand == 0x80000000:
                return KILLED
            case 0x06:
                assert operand >> 16 == 0x0005
                return errno.errorcode[operand & 0xFFFF]
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


def numbers(name: str) -> dict[str, int]:
    """Return a call's number by machine, where it exists."""
    found = {**FORBIDDEN, **PARTLY}[name]
    by_machine = {each: found[column] for each, (column, _) in MACHINES.items()}
    return {each: number for each, number in by_machine.items() if number is not None}


def partly(machine: str, name: str, *arguments: int) -> str:
    return outcome(machine, numbers(name)[machine], *arguments)


@pytest.mark.parametrize("name", FORBIDDEN)
def test_forbidden_call_fails_whatever_its_arguments(name: str) -> None:
    for machine, number in numbers(name).items():
        assert outcome(machine, number) == "EPERM"
        assert outcome(machine, number, *[2**64 - 1] * 6) == "EPERM"


@pytest.mark.parametrize("name", NEEDED)
def test_call_that_decoding_needs_is_allowed(machine: str, name: str) -> None:
    assert outcome(machine, NEEDED[name][MACHINES[machine][0]]) == ALLOWED


def test_call_newer_than_the_tables_seems_not_to_exist(machine: str) -> None:
    """The C library then uses an older one. On x86-64 that includes the numbers of x32."""
    for number in (FIRST_UNKNOWN, 1000, 0x4000_0000 + 41):
        assert outcome(machine, number) == "ENOSYS"


def test_call_for_another_machine_ends_the_process(machine: str) -> None:
    """The same number would be another call: 32-bit programs on x86-64."""
    assert outcome(machine, 0, arch=0x4000_0003) == KILLED


def test_threads_start_and_processes_do_not(machine: str) -> None:
    assert partly(machine, "clone", 0x0001_0F00) == ALLOWED  # CLONE_THREAD and more
    assert partly(machine, "clone", 0x0000_0011) == "EPERM"  # SIGCHLD: fork
    assert partly(machine, "clone3") == "ENOSYS"


@pytest.mark.parametrize("name", ["kill", "tgkill"])
def test_signals_reach_only_the_process_itself(machine: str, name: str) -> None:
    """abort(3) sends itself one."""
    assert partly(machine, name, PID) == ALLOWED
    for other in (1, 0, 2**32 - 1, PID + 1):
        assert partly(machine, name, other) == "EPERM"


def test_limits_can_be_read_and_not_set(machine: str) -> None:
    assert partly(machine, "prlimit64", 0, 2, 0, 1) == ALLOWED
    for new in (1, 1 << 32):
        assert partly(machine, "prlimit64", 0, 2, new) == "EPERM"


def test_process_still_ends_with_its_parent(machine: str) -> None:
    assert partly(machine, "prctl", 1, 0) == "EPERM"
    assert partly(machine, "prctl", 15) == ALLOWED  # PR_SET_NAME, of threads


def test_device_commands_are_few(machine: str) -> None:
    assert partly(machine, "ioctl", 0, termios.FIONBIO) == ALLOWED
    for command in (termios.TIOCSTI, 0x4008_6602):  # typing on a terminal; flags of a file
        assert partly(machine, "ioctl", 0, command) == "EPERM"


def test_files_send_no_signals_to_others(machine: str) -> None:
    assert partly(machine, "fcntl", 0, fcntl.F_SETOWN, 1) == "EPERM"
    assert partly(machine, "fcntl", 0, fcntl.F_GETFL) == ALLOWED
