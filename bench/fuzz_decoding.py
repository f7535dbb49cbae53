#!/usr/bin/env python3
"""Decode damaged pictures in the detector's processes for some minutes, and report findings.

    nice bench/fuzz_decoding.py [--minutes 5] [--seed 0] [--keep FOLDER] [--smoke]

Takes every format, mode, coding and orientation of the tests' pictures, and a photograph in each
format, and damages each one to four times. The same seed makes the same picture again. A finding is
a picture that crashes or hangs its process, or fails without a code; it is kept in the folder,
named by its seed.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from PIL import Image

from core.domain.blob import ImageType
from core.domain.errors import PictureRefused, Unavailable
from core.domain.thumbnail import ThumbnailSize
from embedded.detection.model import model_at
from embedded.detection.pool import DetectorPool
from labeller.detectors.base import Options, Picture
from tests.support.images.damage import bombs, damaged, with_checksums
from tests.support.images.photos import photo
from tests.support.images.pictures import Made, encode, every_picture

CRASHED = re.compile("decoder crashes|takes too long")
MENDED = 0.75  # share of PNGs with new checksums: the old ones reveal nearly all damage
LABELLED_ONE_IN = 8  # the others get a thumbnail, which decodes too and infers nothing
SMOKE_SECONDS = 2


class Tally:
    """The outcomes of the pictures so far."""

    def __init__(self, pool: DetectorPool, keep: Path) -> None:
        self.outcomes: Counter[tuple[ImageType, str]] = Counter()
        self.reasons: set[str] = set()
        self.findings: list[str] = []
        self.slowest = (0.0, -1)
        self.memory = 0
        self._pool = pool
        self._keep = keep

    def run(self, made: Made, seed: int) -> None:
        """Decode one damaged picture."""
        chance = random.Random(seed)  # noqa: S311
        content = made.content
        for _ in range(chance.randint(1, 4)):
            content = damaged(content, chance)
        if made.kind is ImageType.PNG and chance.random() < MENDED:
            content = with_checksums(content)
        path = self._keep / f"{seed}.{made.kind.name.lower()}"
        path.write_bytes(content)
        began = time.perf_counter()
        outcome = self._outcome(Picture(path.name, made.kind, lambda: path.open("rb")), seed)
        self.slowest = max(self.slowest, (time.perf_counter() - began, seed))
        self.outcomes[made.kind, outcome] += 1
        if outcome == "FINDING":
            print(f"{path}: {made.what}: {self.findings[-1]}", flush=True)
        else:
            path.unlink()

    def _outcome(self, picture: Picture, seed: int) -> str:
        try:
            if seed % LABELLED_ONE_IN:
                self._pool.thumbnail(picture, ThumbnailSize.LARGE)
            else:
                self._pool.detect(picture, max_labels=10, min_confidence=55)
        except PictureRefused as refusal:
            self.reasons.add(re.sub(r"[\d,.]+|b?'.*'|[0-9a-f]{4,}", "#", refusal.message))
            if CRASHED.search(refusal.message):
                self.findings.append(refusal.message)
                return "FINDING"
            return str(refusal.code)
        except Unavailable as error:
            self.findings.append(str(error))
            return "FINDING"
        return "decoded"

    def watch_memory(self) -> None:
        """Update the peak resident memory of a process, where /proc has it."""
        for child in self._pool._children:  # noqa: SLF001
            status = Path(f"/proc/{child.pid}/status")
            if status.exists() and (found := re.search(r"VmHWM:\s+(\d+)", status.read_text())):
                self.memory = max(self.memory, int(found[1]) // 1024)


def main() -> int:
    """Fuzz and print the tally; return 1 when there were findings."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0, help="the first")
    parser.add_argument("--keep", type=Path, help="folder for findings (default: a new one)")
    parser.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    options = parser.parse_args()
    if options.smoke:
        options.minutes = SMOKE_SECONDS / 60
    keep = options.keep or Path(tempfile.mkdtemp(prefix="findings-"))
    keep.mkdir(parents=True, exist_ok=True)
    small = Image.open(io.BytesIO(photo("coffee.png"))).convert("RGB").resize((300, 200))
    pictures = [
        *every_picture(),
        *every_picture(small),
        *(Made("photograph", kind, encode(small, kind)) for kind in ImageType),
        *(made for made in bombs() if len(made.content) < 100_000),
    ]
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        model = model_at(Path(folder))
        limits = Options(max_pixels=100_000_000, max_bytes=50_000_000, model=model)
        pool = DetectorPool("onnx", limits, size=cores)
        try:
            pool.wait_until_ready()
            tally = Tally(pool, keep)
            until = time.monotonic() + options.minutes * 60
            seeds = count(options.seed)
            batch_size = 10 if options.smoke else 50
            with ThreadPoolExecutor(cores) as threads:
                while time.monotonic() < until:
                    batch = [next(seeds) for _ in range(batch_size * cores)]
                    chosen = [pictures[seed % len(pictures)] for seed in batch]
                    list(threads.map(tally.run, chosen, batch))
                    tally.watch_memory()
        finally:
            pool.close()
    print(f"seeds {options.seed} to {next(seeds) - 1} over {len(pictures)} pictures")
    for kind in ImageType:
        told = sorted((o, n) for (k, o), n in tally.outcomes.items() if k is kind)
        print(f"  {kind.name:5}", ", ".join(f"{number} {outcome}" for outcome, number in told))
    print(f"  {len(tally.reasons)} different reasons for a refusal")
    print(
        f"  slowest {tally.slowest[0]:.2f} s (seed {tally.slowest[1]}), {tally.memory} MiB at most"
    )
    print(f"  {len(tally.findings)} findings{f', kept in {keep}' if tally.findings else ''}")
    return bool(tally.findings)


if __name__ == "__main__":
    sys.exit(main())
