#!/usr/bin/env python3
"""How fast the embedded service turns uploads into labels, compared with the bare work.

Prints pictures per second from PUT to LABELLED, and the times from PUT to webhook of an idle
service, both as ratios to decoding plus the networks for the same pictures on the same cores. The
service and the bare work take turns within one run. First both find people, then neither.

    bench/pipeline.py [--pictures 300] [--rounds 3] [--smoke]
"""

from __future__ import annotations

import argparse
import http.client
import io
import itertools
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

from core.domain.blob import ImageType
from embedded.detection.model import model_at, people_model_at
from labeller.detectors.base import Picture
from labeller.detectors.onnx import OnnxDetector, open_detector
from labeller.detectors.people import open_people_finder
from tests.support.images.photos import photo
from tests.support.services.process import ServiceProcess
from tests.support.webhooks.receiver import Received, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = (
    "chelsea.png",
    "coffee.png",
    "astronaut.png",
    "rocket.jpg",
    "motorcycle_left.png",
    "retina.jpg",
)
TYPES = {"png": "PNG", "jpg": "JPEG"}
CORES = os.cpu_count() or 1
UPLOADERS = 4

Sample = tuple[bytes, str]


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=300, help="per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    options = parser.parse_args()
    if options.smoke:
        options.pictures, options.rounds = 6, 1
    samples = [(photo(name), TYPES[name[-3:]]) for name in NAMES]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        model, people = model_at(data), open_people_finder(people_model_at(data))
        for faces, finder in (("yes", people), ("no", None)):
            print(f"--faces {faces}")
            detector = open_detector(model, max_pixels=50_000_000, people=finder)
            service = ServiceProcess(data, "--log-level", "warning", "--faces", faces).start()
            try:
                measure_rate(service, detector, samples, options)
                measure_latency(service, detector, samples, options.pictures)
            finally:
                service.stop()


def measure_rate(
    service: ServiceProcess,
    detector: OnnxDetector,
    samples: list[Sample],
    options: argparse.Namespace,
) -> None:
    """Print the pictures per second of bare work and of the service, which take turns."""
    batch = list(itertools.islice(itertools.cycle(samples), options.pictures))
    rates: dict[str, list[float]] = {"bare": [], "infer": [], "service": []}
    images = [detector.prepare(picture(sample)).pixels for sample in samples]
    work: list[Callable[[], object]] = [
        partial(detector.infer, images[i % len(images)]) for i in range(len(batch))
    ]
    bare_rate(detector, batch[:20])  # warm
    for _ in range(options.rounds):
        rates["infer"].append(len(batch) / timed(lambda: run_all(work)))
        rates["bare"].append(bare_rate(detector, batch))
        rates["service"].append(service_rate(service, batch))
    bare, infer, served = (statistics.median(rates[name]) for name in ("bare", "infer", "service"))
    to_bare, to_infer = (
        statistics.median(a / b for a, b in zip(rates["service"], rates[name], strict=True))
        for name in ("bare", "infer")
    )
    print(f"{len(batch)} pictures x {options.rounds} rounds, {CORES} cores, medians")
    print(f"  classifier alone         {infer:7.1f} /s")
    print(f"  decode and networks      {bare:7.1f} /s   baseline")
    print(
        f"  service, PUT to LABELLED {served:7.1f} /s   {to_bare:.2f} of baseline (goal 0.7),"
        f" {to_infer:.2f} of the classifier alone"
    )


def measure_latency(
    service: ServiceProcess, detector: OnnxDetector, samples: list[Sample], count: int
) -> None:
    """Print the times from PUT to webhook of one picture at a time, beside the bare work."""
    receiver = Receiver()
    bare, hooks, ratios = [], [], []
    try:
        for sample in map(unlike, itertools.islice(itertools.cycle(samples), count)):
            alone = timed(partial(label, detector, sample))
            target = service.create_upload(sample[1], receiver.url)
            connection, path, headers = prepared(target)
            began = time.perf_counter()
            connection.request("PUT", path, sample[0], headers)
            assert connection.getresponse().read() == b""
            receiver.wait_for(partial(is_about, target["blob_id"]))
            took = time.perf_counter() - began
            connection.close()
            receiver.received.clear()
            bare.append(alone)
            hooks.append(took)
            ratios.append(took / alone)
    finally:
        receiver.close()
    print(f"{count} pictures one at a time, idle service, milliseconds")
    print(f"  decode and networks      p50 {ms(bare, 50)}  p99 {ms(bare, 99)}   baseline")
    middle = percentile(hooks, 50) / percentile(bare, 50)
    worst = percentile(hooks, 99) / percentile(bare, 99)
    print(
        f"  PUT to webhook           p50 {ms(hooks, 50)}  p99 {ms(hooks, 99)}   "
        f"{middle:.2f} of baseline at p50 (goal under 1.5), {worst:.2f} at p99; "
        f"median of each picture's own ratio {statistics.median(ratios):.2f}"
    )


def is_about(blob_id: str, post: Received) -> bool:
    """Tell whether a webhook is about a blob."""
    return blob_id.encode() in post.body


def bare_rate(detector: OnnxDetector, batch: list[Sample]) -> float:
    """Return the pictures per second that one thread per core decodes and labels."""
    return len(batch) / timed(lambda: run_all([partial(label, detector, s) for s in batch]))


def service_rate(service: ServiceProcess, batch: list[Sample]) -> float:
    """Return the pictures per second from the first PUT to the last LABELLED."""
    targets = [service.create_upload(sample[1]) for sample in batch]
    batch = [unlike(sample) for sample in batch]
    before = labelled(service)
    jobs: list[list[tuple[dict[str, Any], Sample]]] = [[] for _ in range(UPLOADERS)]
    for number, (target, sample) in enumerate(zip(targets, batch, strict=True)):
        jobs[number % UPLOADERS].append((target, sample))
    began = time.perf_counter()
    with ThreadPoolExecutor(UPLOADERS) as pool:
        list(pool.map(upload_all, jobs))
        while labelled(service) < before + len(batch):
            assert time.perf_counter() - began < 300
            time.sleep(0.01)
    return len(batch) / (time.perf_counter() - began)


def upload_all(jobs: list[tuple[dict[str, Any], Sample]]) -> None:
    """PUT pictures one after another over one connection."""
    connection = None
    for target, sample in jobs:
        made, path, headers = prepared(target)
        connection = connection or made
        connection.request("PUT", path, sample[0], headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
    if connection:
        connection.close()


def prepared(target: dict[str, Any]) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Return a connection, the path and the headers for an upload target."""
    url = urlsplit(target["url"])
    headers = {header["name"]: header["value"] for header in target["headers"]}
    return http.client.HTTPConnection(url.netloc, timeout=60), f"{url.path}?{url.query}", headers


def labelled(service: ServiceProcess) -> int:
    """Return how many blobs are labelled."""
    (count,) = service.row(
        "SELECT count(*) FROM blobs WHERE status = 'LABELLED' AND owner = 'local'"
    )
    return int(count)


def unlike(sample: Sample) -> Sample:
    """Append random bytes to a picture, so that the detection cache does not answer for it."""
    return sample[0] + os.urandom(16), sample[1]


def picture(sample: Sample) -> Picture:
    """Return a sample as the detector takes it."""
    return Picture("bench", ImageType[sample[1]], lambda: io.BytesIO(sample[0]))


def label(detector: OnnxDetector, sample: Sample) -> None:
    """Decode a sample and detect its labels."""
    detector.detect(picture(sample), max_labels=10, min_confidence=55)


def run_all(work: list[Callable[[], object]]) -> None:
    """Run the work on one thread per core."""
    with ThreadPoolExecutor(CORES) as pool:
        for done in [pool.submit(job) for job in work]:
            done.result()


def timed(call: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def percentile(values: list[float], rank: int) -> float:
    """Return the value below which `rank` per cent of the values lie."""
    return sorted(values)[min(len(values) - 1, len(values) * rank // 100)]


def ms(values: list[float], rank: int) -> str:
    """Return a percentile of seconds as milliseconds."""
    return f"{percentile(values, rank) * 1000:6.1f}"


if __name__ == "__main__":
    main()
