"""Whatever bytes are uploaded, each blob ends LABELLED or FAILED with a code, within bounds."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import re
import signal
import struct
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.domain.blob import Blob, BlobStatus, FailureCode, ImageType, receive_upload
from core.domain.errors import PictureRefused
from embedded.detection.child import MAX_MEMORY
from embedded.detection.pool import DetectorPool
from labeller.detectors.base import Options, Picture
from labeller.label_blob import BlobLabeller
from labeller.s3_event import Upload
from tests.conftest import SettableClock
from tests.support.images.damage import bombs, damaged, png_chunk
from tests.support.images.models import people_model
from tests.support.images.photos import photo
from tests.support.images.pictures import Made, every_picture
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.process import ROOT, ServiceProcess

SEEDS = int(os.environ.get("CORPUS_SEEDS", "500"))  # a larger number makes it a fuzzer
# Failures that the image causes. LABELLER_UNAVAILABLE would be a fault of ours.
ITS_OWN = {
    FailureCode.CORRUPT_IMAGE,
    FailureCode.TOO_MANY_PIXELS,
    FailureCode.UNSUPPORTED_FORMAT,
    FailureCode.CONTENT_TYPE_MISMATCH,
}
Label = Callable[[bytes, ImageType], Blob]


def digest_of(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def options(model: Path) -> Options:
    people = people_model(model)
    return Options(100_000_000, 50_000_000, faces=True, model=model, people_model=people)


@pytest.fixture(scope="module")
def pool(model_path: Path) -> Iterator[DetectorPool]:
    opened = DetectorPool("onnx", options(model_path), size=1)
    opened.wait_until_ready()
    yield opened
    opened.close()


@pytest.fixture
def label(pool: DetectorPool, tmp_path: Path, clock: SettableClock) -> Iterator[Label]:
    """Upload and label an image; return its blob."""
    stores = EmbeddedStores(tmp_path, clock)
    labeller = BlobLabeller(stores.blobs, stores.storage, pool, clock)

    def label(content: bytes, kind: ImageType) -> Blob:
        blob = stores.awaiting(content_type=kind)
        stores.storage.put(blob.key, content)
        stores.saved(receive_upload(blob, clock(), size=len(content), sha256=digest_of(content)))
        labeller.label(Upload("originals", blob.key, len(content)))
        return stores.now(blob)

    yield label
    stores.close()


def most_memory(pool: DetectorPool) -> int:
    """Return the process's peak of resident memory, in bytes; 0 if the system does not show it."""
    status = Path(f"/proc/{pool._children[0].pid}/status")
    if not status.exists():
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
    assert found
    return int(found[1]) * 1024


def outcome(blob: Blob) -> str:
    if blob.status is BlobStatus.LABELLED:
        assert blob.width
        assert blob.height
        return "LABELLED"
    assert blob.status is BlobStatus.FAILED
    assert blob.failure
    assert blob.failure.code in ITS_OWN, blob.failure
    assert len(blob.failure.message) < 300
    return blob.failure.code


def test_every_kind_of_image_is_labelled(label: Label) -> None:
    """Each format, mode, coding and orientation, with its size as displayed."""
    for made in every_picture():
        blob = label(made.content, made.kind)
        assert outcome(blob) == "LABELLED", made.what
        on_its_side = made.what in {f"orientation {number}" for number in range(5, 9)}
        assert (blob.width, blob.height) == ((64, 96) if on_its_side else (96, 64)), made.what


def test_damaged_image_fails_with_a_code(label: Label, pool: DetectorPool) -> None:
    """Truncated, with flipped bits, with moved parts: 500 seeds over every kind of image."""
    pictures = every_picture()
    seen: Counter[str] = Counter()
    for seed in range(SEEDS):
        chance = random.Random(seed)  # noqa: S311
        made = pictures[seed % len(pictures)]
        seen[outcome(label(damaged(made.content, chance), made.kind))] += 1
    assert min(seen["LABELLED"], seen[FailureCode.CORRUPT_IMAGE]) > 50, seen
    assert most_memory(pool) < MAX_MEMORY
    assert outcome(label(photo("chelsea.png"), ImageType.PNG)) == "LABELLED"


@pytest.mark.parametrize("bomb", bombs(), ids=lambda made: made.what)
def test_decompression_bombs_stay_within_bounds(
    label: Label, pool: DetectorPool, bomb: Made
) -> None:
    """Pixels, frames, metadata and passes: a limit rejects them, or they are harmless."""
    before = pool._children[0].pid
    outcome(label(bomb.content, bomb.kind))
    assert pool._children[0].pid == before
    assert most_memory(pool) < MAX_MEMORY


@pytest.fixture(scope="module")
def hundred_megapixels() -> bytes:
    """A black PNG with transparency: four bytes a pixel."""
    width, height = 12_500, 8_000
    packer = zlib.compressobj(1)
    rows = [packer.compress(bytes(1 + 4 * width)) for _ in range(height)]
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", b"".join([*rows, packer.flush()])),
            png_chunk(b"IEND"),
        )
    )


def test_hundred_megapixels_fit_into_memory(
    label: Label, pool: DetectorPool, hundred_megapixels: bytes
) -> None:
    """Together with the model and the decoder."""
    blob = label(hundred_megapixels, ImageType.PNG)
    assert (outcome(blob), blob.width, blob.height) == ("LABELLED", 12_500, 8_000)
    assert most_memory(pool) < MAX_MEMORY


def test_memory_of_a_rejected_image_is_released(label: Label, hundred_megapixels: bytes) -> None:
    """Otherwise the next image could be rejected for lack of memory."""
    large = next(made for made in bombs() if made.what == "PNG most pixels")
    for _ in range(3):
        # It lacks its pixels too, which the decoder notices first if it has memory enough.
        refused = outcome(label(large.content, large.kind))
        assert refused in {FailureCode.TOO_MANY_PIXELS, FailureCode.CORRUPT_IMAGE}
        assert outcome(label(hundred_megapixels, ImageType.PNG)) == "LABELLED"


def test_slow_decoder_is_ended_by_its_processor_time(
    model_path: Path, tmp_path: Path, hundred_megapixels: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by wall-clock time."""
    monkeypatch.setattr("embedded.detection.pool.PROCESSOR_SHARE", 0.002)
    pool = DetectorPool("onnx", options(model_path), size=1)
    path = tmp_path / "slow.png"
    path.write_bytes(hundred_megapixels)
    try:
        with pytest.raises(PictureRefused, match="too long"):
            pool.detect(
                Picture("k", ImageType.PNG, lambda: path.open("rb")), max_labels=1, min_confidence=1
            )
    finally:
        pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what is allocated")
def test_allocation_beyond_the_limit_fails() -> None:
    """The system rejects it, whatever the decoder does."""
    code = (
        "from embedded.detection.child import limit_memory\n"
        "limit_memory(150_000_000); held = bytearray(20_000_000)\n"
        "try: held += bytes(200_000_000)\n"
        "except MemoryError: print('refused')"
    )
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, check=True, capture_output=True, cwd=ROOT).stdout == b"refused\n"


def test_crashing_decoder_fails_its_image(
    label: Label, pool: DetectorPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, without a retry. The next image gets a new process."""
    for number, says in (
        (signal.SIGSEGV, "decoder crashes"),
        (signal.SIGABRT, "decoder crashes"),
        (signal.SIGPROF, "takes too long"),
    ):
        child = pool._children[0]
        child.wait_until_ready()
        ask = child.ask

        def dies(*asked: Any, number: int = number, child: Any = child, ask: Any = ask) -> Any:
            child._process.send_signal(number)
            return ask(*asked)

        monkeypatch.setattr(child, "ask", dies)
        blob = label(photo("chelsea.png"), ImageType.PNG)
        assert outcome(blob) == FailureCode.CORRUPT_IMAGE
        assert blob.failure
        assert says in blob.failure.message
    assert outcome(label(photo("chelsea.png"), ImageType.PNG)) == "LABELLED"


def test_service_labels_every_format(tmp_path: Path) -> None:
    """From the mutation through the upload to the labels. A wrong content type fails."""
    service = ServiceProcess(tmp_path).start()
    try:
        plain = [made for made in every_picture() if made.what == "plain"]
        asked = {service.upload(made.content, made.kind.name): made.kind for made in plain}
        wrong = service.upload(plain[0].content, "HEIC")
        for blob_id, kind in {**asked, wrong: plain[0].kind}.items():
            blob = service.wait_for(blob_id, lambda blob: blob["status"] in ("LABELLED", "FAILED"))
            assert (blob["status"], blob["contentType"]) == ("LABELLED", kind.name)
        assert len(asked) == len(ImageType)
    finally:
        service.stop()
