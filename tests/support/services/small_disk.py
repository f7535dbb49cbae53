"""A small file system, a program that fills it, and a folder that is mounted read-only."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """Mount a new file system on a new folder; yield whether that is allowed."""
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until nothing fits, as another program might; return the file."""
    path = folder / "other"
    with path.open("wb", buffering=0) as file:
        for size in (1_000_000, 4096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    assert os.statvfs(folder).f_bavail == 0
    return path


@contextmanager
def mounted_read_only(folder: Path, aside: Path) -> Iterator[bool]:
    """Mount a folder read-only over itself; yield whether that is allowed.

    Files that are open stay writable. `aside` is a folder that is made if it is missing.
    """
    aside.mkdir(exist_ok=True)
    # Made aside, because a mount becomes read-only only while no file in it is being written.
    if not _mount("--bind", folder, aside):
        yield False
        return
    try:
        done = _mount("-o", "remount,bind,ro", aside) and _mount("--bind", aside, folder)
        try:
            yield done
        finally:
            if done:
                subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        subprocess.run(["umount", "--lazy", aside], check=True)


def _mount(*arguments: str | Path) -> bool:
    mount = shutil.which("mount")
    if mount is None:
        return False
    return subprocess.run([mount, *arguments], capture_output=True, check=False).returncode == 0
