"""Detection in child processes: the real model, real images, real crashes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable
from core.domain.thumbnail import ThumbnailSize
from embedded.detection.child import NICENESS
from embedded.detection.pool import DetectorPool
from labeller.detectors.base import DetectorUnusable, Options, Picture
from labeller.detectors.onnx import open_detector
from tests.support.images.photos import photo
from tests.support.services.process import ROOT
from tests.support.waiting import wait_until


def options(model: Path) -> Options:
    return Options(max_pixels=1_000_000, max_bytes=10_000_000, model=model)


@pytest.fixture(scope="module")
def pool(model_path: Path) -> Iterator[DetectorPool]:
    opened = DetectorPool("onnx", options(model_path), size=2)
    opened.wait_until_ready()
    yield opened
    opened.close()


@pytest.fixture
def cat(tmp_path: Path) -> Picture:
    path = tmp_path / "cat.png"
    path.write_bytes(photo("chelsea.png"))
    return Picture("originals/local/cat", ImageType.PNG, lambda: path.open("rb"))


def children(pool: DetectorPool) -> list[int]:
    return [child.pid for child in pool._children]


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not.

    One whose first thread has ended while others still do ("Zl") can't be reaped yet.
    """
    asked = ["ps", "-o", "stat=", "-p", str(pid)]
    shown = subprocess.run(asked, check=False, capture_output=True, text=True)
    state = shown.stdout.strip()
    return bool(state) and ("Z" not in state or "l" in state)


def test_pool_returns_the_detectors_labels(
    pool: DetectorPool, cat: Picture, model_path: Path
) -> None:
    """Labels, sizes and the detector's name are unchanged."""
    alone = open_detector(model_path, max_pixels=1_000_000)
    seen = pool.detect(cat, max_labels=40, min_confidence=1)
    assert seen == alone.detect(cat, max_labels=40, min_confidence=1)
    assert pool.name == alone.name
    assert pool.health_error() is None


def test_rejection_keeps_its_code_and_message(pool: DetectorPool, tmp_path: Path) -> None:
    """The process goes on."""
    path = tmp_path / "junk"
    path.write_bytes(b"junk" * 10)
    before = children(pool)
    with pytest.raises(PictureRefused, match="JPEG, PNG, WebP") as refused:
        pool.detect(
            Picture("k", ImageType.PNG, lambda: path.open("rb")), max_labels=1, min_confidence=1
        )
    assert refused.value.code == FailureCode.UNSUPPORTED_FORMAT
    assert children(pool) == before


def test_rejection_keeps_the_decoders_words(pool: DetectorPool, tmp_path: Path) -> None:
    """For the log."""
    path = tmp_path / "cut.png"
    path.write_bytes(photo("chelsea.png")[:5000])
    with pytest.raises(PictureRefused) as refused:
        pool.thumbnail(Picture("k", ImageType.PNG, lambda: path.open("rb")), ThumbnailSize.SMALL)
    assert refused.value.code == FailureCode.CORRUPT_IMAGE
    assert "pngload" in refused.value.detail


def test_missing_bytes_end_no_process(pool: DetectorPool, cat: Picture) -> None:
    """The error of `open` is raised, and the pool still has all its processes."""

    def gone() -> None:
        raise ObjectNotFound("k")

    for _ in range(3):
        with pytest.raises(ObjectNotFound):
            pool.detect(
                Picture("k", ImageType.PNG, gone),  # type: ignore[arg-type]
                max_labels=1,
                min_confidence=1,
            )
    assert pool.detect(cat, max_labels=1, min_confidence=1).labels


def test_process_that_died_while_idle_is_replaced(pool: DetectorPool, cat: Picture) -> None:
    """Before its next request, so that no image fails."""
    doomed = children(pool)
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in doomed))
    together = [threading.Thread(target=look, args=(pool, cat)) for _ in doomed]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert pool.detect(cat, max_labels=1, min_confidence=1).labels


def test_health_check_replaces_dead_processes(pool: DetectorPool) -> None:
    """A service that gets no traffic because of its health recovers."""
    doomed = children(pool)
    os.kill(doomed[0], signal.SIGKILL)
    wait_until(lambda: not is_alive(doomed[0]))
    assert pool.health_error() is None
    assert doomed[0] not in children(pool)
    assert all(is_alive(pid) for pid in children(pool))


def test_processes_that_cannot_be_started_are_unavailable(
    pool: DetectorPool, cat: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a picture nor the health check fails with an error of the system."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    doomed = children(pool)
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in doomed))
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", fail)
        with pytest.raises(Unavailable, match="No detector process can be started"):
            look(pool, cat)
        assert pool.health_error() == f"not running: {doomed[0]}, {doomed[1]}"
    assert pool.health_error() is None
    assert look(pool, cat)


def test_process_that_dies_with_an_image_is_replaced(pool: DetectorPool, cat: Picture) -> None:
    """The image is to be tried again. The next one is labelled."""
    pool.detect(cat, max_labels=1, min_confidence=1)
    doomed = pool._idle.queue[0].pid

    def dies() -> BinaryIO:
        os.kill(doomed, signal.SIGKILL)
        return cat.open()

    with pytest.raises(Unavailable, match="has ended"):
        pool.detect(replace(cat, open=dies), max_labels=1, min_confidence=1)
    assert pool.detect(cat, max_labels=1, min_confidence=1).labels
    assert doomed not in children(pool)


def look(pool: DetectorPool, picture: Picture, times: int = 1) -> list[int]:
    return [len(pool.detect(picture, max_labels=3, min_confidence=1).labels) for _ in range(times)]


def test_hanging_process_is_killed_and_replaced(
    pool: DetectorPool, cat: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its own image waits for it, and not for ever."""
    pool.detect(cat, max_labels=1, min_confidence=1)
    hanging = pool._idle.queue[0].pid
    os.kill(hanging, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(pool, "_seconds", 0.5)
        with pytest.raises(Unavailable, match=r"did not answer within 0\.5 s"):
            pool.detect(cat, max_labels=1, min_confidence=1)
    assert not is_alive(hanging)
    assert pool.detect(cat, max_labels=1, min_confidence=1).labels


def test_requests_preempt_detector_processes(pool: DetectorPool) -> None:
    """Their niceness is higher, within the parent's session.

    Linux shares processors evenly between sessions. Their process groups are their own, because
    Ctrl-C is for the parent.
    """
    pool.wait_until_ready()
    for pid in children(pool):
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(
            19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS
        )
        assert os.getsid(pid) == os.getsid(0)
        assert os.getpgid(pid) == pid


@pytest.mark.skipif(sys.platform != "linux", reason="where faults are counted")
def test_freed_memory_is_kept_for_the_next_image(pool: DetectorPool, cat: Picture) -> None:
    """Allocating it again would be a fifth of the work on a small image."""

    def fault_count() -> int:
        stats = (Path(f"/proc/{pid}/stat").read_text() for pid in children(pool))
        return sum(int(stat.rpartition(")")[2].split()[7]) for stat in stats)  # proc(5): minflt

    def label(times: int) -> None:
        for _ in range(times):
            pool.detect(cat, max_labels=1, min_confidence=1)

    label(20)
    before = fault_count()
    label(20)
    assert fault_count() - before < 20 * 500  # 2 MB an image, of about 10


def test_threads_share_the_processes(pool: DetectorPool, cat: Picture) -> None:
    """Each gets its own answer."""
    with ThreadPoolExecutor(4) as threads:
        seen = [threads.submit(look, pool, cat, 5) for _ in range(4)]
    assert [each.result() for each in seen] == [[3] * 5] * 4


def test_unusable_model_is_an_error_at_start(tmp_path: Path) -> None:
    """With the process's reason."""
    opened = DetectorPool("onnx", options(tmp_path / "none.onnx"), size=1)
    try:
        with pytest.raises(DetectorUnusable, match="No model at"):
            opened.wait_until_ready()
    finally:
        opened.close()


def test_close_ends_every_process(model_path: Path) -> None:
    opened = DetectorPool("onnx", options(model_path), size=2)
    pids = children(opened)
    opened.close()
    assert not any(is_alive(pid) for pid in pids)


def test_process_outlives_the_thread_that_had_it_started(pool: DetectorPool, cat: Picture) -> None:
    """Threads that answer health checks come and go."""
    doomed = children(pool)[0]
    os.kill(doomed, signal.SIGKILL)
    wait_until(lambda: not is_alive(doomed))
    thread = threading.Thread(target=pool.health_error)
    thread.start()
    thread.join()
    started = children(pool)
    assert doomed not in started
    assert look(pool, cat, 4)
    assert children(pool) == started


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_processes_end_when_their_parent_is_killed(model_path: Path, stopped: bool) -> None:
    """The socket closes; a stopped process can't see that, and is killed by the system."""
    if stopped and sys.platform != "linux":
        pytest.skip("only Linux ends a stopped process with its parent")
    code = (
        "import sys, time; from pathlib import Path\n"
        "from embedded.detection.pool import DetectorPool\n"
        "from labeller.detectors.base import Options\n"
        "options = Options(max_pixels=1, max_bytes=1, model=Path(sys.argv[1]))\n"
        "pool = DetectorPool('onnx', options, size=1)\n"
        "pool.wait_until_ready(); print(pool._children[0].pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(model_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout
    with parent.stdout:
        pid = int(parent.stdout.readline())
        if stopped:
            os.kill(pid, signal.SIGSTOP)
        parent.kill()
        parent.wait()
    wait_until(lambda: not is_alive(pid))
