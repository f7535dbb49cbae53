#!/usr/bin/env python3
"""How fast the gallery is with many pictures, in a real browser.

Prints Lighthouse's scores and what frames cost while scrolling, with 1,000 pictures and with
`--pictures`: the times between them, how many of 60 a second are missing, the time of the page's
own scripts in each, and the tasks of more than 50 ms. These times are those of the whole machine:
run it on an idle one. The processor time of the main thread and of the service, the requests and
the bytes tell what the page costs on a busy machine too. The first five seconds are the baseline
of the others. `--scroll` leaves Lighthouse out.

    npm ci --prefix bench/gallery
    bench/gallery.py [--pictures 100000] [--seconds 60] [--scroll] [--smoke]
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from core.domain.blob import ImageType
from core.domain.owner import LOCAL_OWNER
from embedded.settings import Settings
from embedded.stores import open_stores
from tests.support.blobs import a_blob, labelled
from tests.support.images.photos import photo
from tests.support.services.process import ServiceProcess

NAMES = ("chelsea.png", "coffee.png", "astronaut.png", "motorcycle_left.png", "color.png")
LABELS = ("Cat", "Coffee", "Person", "Motorcycle", "Animal", "Vehicle", "Drink", "Clothing")
BATCH = 1000


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=60, help="to scroll for")
    parser.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    parser.add_argument("--scroll", action="store_true", help="scroll alone, without Lighthouse")
    options = parser.parse_args()
    if options.smoke:
        options.seconds = 2
    screens = () if options.scroll else ("phone", "desktop")
    for pictures in (24,) if options.smoke else (1000, options.pictures):
        with tempfile.TemporaryDirectory() as folder:
            print(f"{pictures} pictures ...")
            fill(Path(folder), pictures)
            service = ServiceProcess(Path(folder), "--log-level", "warning").start()
            before = cpu_seconds(service.pid)
            try:
                subprocess.run(
                    [
                        *("node", str(ROOT / "bench" / "gallery" / "measure.mjs")),
                        *(service.url + "/", str(options.seconds)),
                        *(("smoke",) if options.smoke else screens),
                    ],
                    check=True,
                )
                print(f"  processor time of the service: {cpu_seconds(service.pid) - before:.1f} s")
            finally:
                service.stop()


def fill(data: Path, pictures: int) -> None:
    """Store labelled blobs, with links to a few real pictures as their bytes."""
    stores = open_stores(Settings(data=data))
    dice = random.Random(1)  # the same pictures each time  # noqa: S311
    start = datetime.now(UTC) - timedelta(days=1)
    folder = data / "originals" / LOCAL_OWNER
    folder.mkdir(parents=True)
    for name in NAMES:
        (data / name).write_bytes(photo(name))
    for begin in range(0, pictures, BATCH):
        with stores.database.write(synced=False):
            for number in range(begin, min(begin + BATCH, pictures)):
                at = start + timedelta(milliseconds=10 * number)
                blob = a_blob(at, LOCAL_OWNER, content_type=ImageType.PNG)
                names = dice.sample(LABELS, 3)
                found = [(name, round(dice.uniform(56, 99), 2)) for name in names]
                done = labelled(blob, *sorted(found, key=lambda each: -each[1]))
                stores.blobs.create(done)
                os.link(data / NAMES[number % len(NAMES)], folder / blob.id)
    stores.database.close()


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its children, ended ones included."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    used = sum(int(value) for value in values[11:15]) / os.sysconf("SC_CLK_TCK")
    for task in Path(f"/proc/{pid}/task").iterdir():
        used += sum(cpu_seconds(int(child)) for child in (task / "children").read_text().split())
    return used


if __name__ == "__main__":
    main()
