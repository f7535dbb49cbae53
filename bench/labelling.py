#!/usr/bin/env python3
"""How fast pictures become labels, compared with the bare libraries, and what that takes.

Prints, for JPEGs of 0.3, 2, 12 and 48 megapixels on one core, of nobody and of people: pictures per
second without and with the detection of people, each as a ratio to bare libvips
(`thumbnail_buffer` to as many pixels) plus bare onnxruntime, which runs the same networks on the
same inputs. Then milliseconds of decoding, resizing and inference, and the ratio to a stock loop of
Pillow (full decode) and onnxruntime; torch's eager mode too where torch is installed. The figures
of a size take turns, and ratios are medians over the turns; times are the processor's, so that
other programs matter less. Then, of each format, the processor time to decode 12 megapixels, beside
Pillow's; at 100 megapixels, or as many as are accepted, the peak memory of a process that labels
it. Then, of the running service, idle and labelling 12-megapixel pictures on every core: times of
createUpload, pictures per second, resident memory.

    bench/labelling.py [--pictures 20] [--rounds 5] [--uploads 200] [--smoke]
                       [--only bare|formats|service]
"""

from __future__ import annotations

import argparse
import http.client
import io
import itertools
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from unittest.mock import patch
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # this folder's graphql.py would hide the library
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime would report to Microsoft

import httpx
import numpy as np
import onnx
import onnxruntime
import pyvips
from PIL import Image, ImageOps

from core.domain.blob import ImageType
from core.domain.errors import PictureRefused
from embedded.detection.model import model_at, people_model_at
from embedded.detection.pool import DetectorPool
from labeller.detectors.base import Options, Picture
from labeller.detectors.onnx import open_detector
from labeller.detectors.people import PIXELS, open_people_finder
from labeller.imaging.image import CROP, Frame, load
from tests.support.images.photos import photo
from tests.support.images.pictures import encode
from tests.support.services.process import CREATE, ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.domain.label import Detection
    from labeller.detectors.base import Detector
    from labeller.imaging.image import LoadedImage

SIZES: Final = ((640, 480), (1632, 1224), (4000, 3000), (8000, 6000))
NOBODY: Final = ("coffee.png", "chelsea.png", "rocket.jpg", "retina.jpg")
PEOPLE: Final = ("astronaut.png", "camera.png")
SIDE: Final = 224
MAX_PIXELS: Final = 100_000_000
CORES: Final = os.cpu_count() or 1
MAX_MEMORY: Final = 400  # MB
ROUNDS: Final = 3  # of which the least CPU time counts


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=20, help="of each size in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--uploads", type=int, default=200, help="of 12 megapixels, to the service")
    parser.add_argument("--only", choices=("bare", "formats", "service"))
    parser.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    options = parser.parse_args()
    if options.smoke:
        options.pictures, options.rounds, options.uploads = 2, 1, 4
    with tempfile.TemporaryDirectory() as folder:
        models = Models(model_at(Path(folder)), people_model_at(Path(folder)))
        if options.only in (None, "bare"):
            for size in SIZES[:1] if options.smoke else SIZES:
                count = options.pictures if size[0] < 8000 else max(2, options.pictures // 4)
                measure(models, size, count, options.rounds)
        if options.only in (None, "formats"):
            measure_formats(models, smoke=options.smoke)
        if options.only in (None, "service"):
            idle = 20 if options.smoke else 300
            measure_service(Path(folder), options.uploads, idle)


def measure(models: Models, size: tuple[int, int], count: int, rounds: int) -> None:
    """Print what one size takes beside the bare libraries, of nobody and of people."""
    for whom, names in (("nobody", NOBODY), ("people", PEOPLE)):
        jpegs = pictures(size, names, 4)
        ms, ratios = measured(works_of(models, jpegs), jpegs, count, rounds)
        print(f"{size[0] * size[1] / 1e6:4.1f} MP, {len(jpegs[0]) / 1e6:.1f} MB, {whom}:")
        for what, goal in (("classifier", 0.9), ("people", 0.7)):
            print(
                f"  {what:10} {1000 / ms[what]:6.1f} pictures/s a core ({ms[what]:.1f} ms), "
                f"{ratios[what, f'bare {what}']:.2f} of bare ({ms['bare ' + what]:.1f} ms with "
                f"{ms['decode ' + what]:.1f} of decoding; goal {goal})"
            )
        print(
            f"  people in {1 / ratios['people', 'classifier']:.2f} times the classifier's time"
            + (" (goal 1.5)" if whom == "nobody" else "")
        )
        if whom == "nobody":
            stock_goal = "; goal 4" if size == SIZES[2] else ""
            print(
                f"  classifier: decode and resize {ms['load']:.1f} ms, the rest "
                f"{ms['classifier'] - ms['load']:.1f}; {ratios['classifier', 'stock']:.1f} times "
                f"stock ({ms['stock']:.1f} ms{stock_goal})"
                + (f"; torch eager's inference {ms['torch']:.1f} ms" if "torch" in ms else "")
            )


def works_of(models: Models, jpegs: list[bytes]) -> dict[str, Callable[[bytes], object]]:
    """Return what is measured, each as a function of a JPEG."""
    detectors = {
        "classifier": open_detector(models.classifier, max_pixels=MAX_PIXELS),
        "people": open_detector(
            models.classifier, max_pixels=MAX_PIXELS, people=open_people_finder(models.people)
        ),
    }
    session, name = open_session(models.classifier)
    square = loaded(jpegs[0]).pixels
    works: dict[str, Callable[[bytes], object]] = {
        "load": loaded,
        "stock": lambda jpeg: session.run(None, {name: stock(jpeg)}),
    }
    for what, detector in detectors.items():
        pixels = PIXELS if what == "people" else 0
        runs = runs_of(detector, jpegs)
        works |= {
            what: partial(labelled, detector),
            # Together, so that the processor's caches are as full as in the whole.
            f"bare {what}": partial(bare_labelled, runs, pixels),
            f"decode {what}": partial(bare, pixels=pixels),
        }
    if eager := torch_eager(models.classifier, square):
        works["torch"] = eager
    return works


def measured(
    works: dict[str, Callable[[bytes], object]], jpegs: list[bytes], count: int, rounds: int
) -> tuple[dict[str, float], dict[tuple[str, str], float]]:
    """Return each work's milliseconds a picture, and how many times as fast as others each is."""
    times: dict[str, list[float]] = {what: [] for what in works}
    for number in range(rounds + 1):
        for what, work in works.items():
            began = time.process_time()
            for jpeg in itertools.islice(itertools.cycle(jpegs), count):
                work(jpeg)
            if number:  # the first warms up
                times[what].append((time.process_time() - began) / count * 1000)
    ratios = {
        (ours, other): statistics.median(
            theirs / mine for mine, theirs in zip(times[ours], times[other], strict=True)
        )
        for ours in times
        for other in times
    }
    return {what: statistics.median(each) for what, each in times.items()}, ratios


class Models(NamedTuple):
    """The files of the two models that come with the service."""

    classifier: Path
    people: Path


Inputs = dict[str, np.ndarray[Any, Any]]


def runs_of(
    detector: Detector, jpegs: list[bytes]
) -> dict[bytes, list[tuple[onnxruntime.InferenceSession, Inputs]]]:
    """Return the networks that label each JPEG, in sessions without our options, with inputs."""
    seen: list[tuple[str, Inputs]] = []
    run = onnxruntime.InferenceSession.run

    def recorded(session: Any, outputs: Any, inputs: Inputs) -> Any:
        seen.append((session._model_path, inputs))  # noqa: SLF001
        return run(session, outputs, inputs)

    runs, sessions = {}, {}
    with patch.object(onnxruntime.InferenceSession, "run", recorded):
        for jpeg in jpegs:
            seen.clear()
            labelled(detector, jpeg)
            runs[jpeg] = list(seen)
    for path in {path for each in runs.values() for path, _ in each}:
        sessions[path] = open_session(Path(path))[0]
    return {
        jpeg: [(sessions[path], inputs) for path, inputs in each] for jpeg, each in runs.items()
    }


def bare_labelled(
    runs: dict[bytes, list[tuple[onnxruntime.InferenceSession, Inputs]]], pixels: int, jpeg: bytes
) -> None:
    """Decode a JPEG as libvips alone does, and run the networks on what they were given."""
    bare(jpeg, pixels)
    for session, inputs in runs[jpeg]:
        session.run(None, inputs)


def labelled(detector: Detector, jpeg: bytes) -> Detection:
    """Label a JPEG as the service does."""
    picture = Picture("", ImageType.JPEG, lambda: io.BytesIO(jpeg))
    return detector.detect(picture, max_labels=10, min_confidence=55)


def pictures(size: tuple[int, int], names: tuple[str, ...], count: int) -> list[bytes]:
    """Return JPEGs of that size made of real photographs.

    Those of the smallest size show one each, others several side by side, rather than enlarged.
    """
    made = []
    tiles = [Image.open(io.BytesIO(photo(name))).convert("RGB") for name in names]
    for first in range(count):
        image = ImageOps.fit(tiles[first % len(tiles)], size)
        if size == SIZES[0]:
            made.append(encode(image, ImageType.JPEG, quality=90))
            continue
        left = top = 0
        for tile in itertools.islice(itertools.cycle(tiles), first, None):
            image.paste(tile, (left, top))
            left += tile.width
            if left >= size[0]:
                left, top = 0, top + 300
            if top >= size[1]:
                break
        made.append(encode(image, ImageType.JPEG, quality=90))
    return made


def loaded(content: bytes) -> LoadedImage:
    """Decode an image as the detector does."""
    return load(io.BytesIO(content), frame=Frame(SIDE, SIDE), max_pixels=MAX_PIXELS)


def bare(jpeg: bytes, pixels: int = 0) -> bytes:
    """Decode an image that is wider than high as libvips alone does, to so many pixels at least."""
    whole = pyvips.Image.new_from_buffer(jpeg, "")
    height = max(round(SIDE / CROP), round((pixels * whole.height / whole.width) ** 0.5))
    small = pyvips.Image.thumbnail_buffer(jpeg, 10_000, height=height, size="down")
    return bytes(small.write_to_memory())


# What is measured of each format: how common programs write it, and what takes most.
_FORMATS: Final[tuple[tuple[str, ImageType, dict[str, Any]], ...]] = (
    ("JPEG", ImageType.JPEG, {"quality": 85, "subsampling": "4:2:0"}),
    (
        "JPEG, progressive",
        ImageType.JPEG,
        {"quality": 85, "subsampling": "4:2:0", "progressive": True},
    ),
    ("PNG", ImageType.PNG, {}),
    ("WebP", ImageType.WEBP, {"lossless": False, "method": 0}),
    ("GIF", ImageType.GIF, {}),
    ("TIFF, LZW", ImageType.TIFF, {"compression": "tiff_lzw"}),
    ("TIFF, Deflate", ImageType.TIFF, {"compression": "tiff_adobe_deflate"}),
    ("BMP", ImageType.BMP, {}),
    ("AVIF", ImageType.AVIF, {"quality": 60, "subsampling": "4:2:0"}),
    (
        "HEIC",
        ImageType.HEIC,
        {"quality": 50, "chroma": 420, "enc_params": {"preset": "ultrafast"}},
    ),
)

# The service accepts less than 100 megapixels of some: AVIF by its decoder, BMP by 50 MB of file.
# x265 would take minutes for HEIC.
_LARGEST: Final = {
    ImageType.AVIF: (8000, 6000),
    ImageType.BMP: (4600, 3500),
    ImageType.HEIC: (4000, 3000),
}
# How the large ones are written in less time, which does not change what decoding keeps.
_QUICKLY: Final[dict[ImageType, dict[str, Any]]] = {
    ImageType.PNG: {"compress_level": 1},
    ImageType.AVIF: {"speed": 10},
}


def measure_formats(models: Models, *, smoke: bool) -> None:
    """Print what decoding each format takes: time at 12 megapixels, memory at up to 100."""
    photograph = Image.open(
        io.BytesIO(pictures(SIZES[0] if smoke else SIZES[2], NOBODY + PEOPLE, 1)[0])
    )
    options = Options(
        max_pixels=MAX_PIXELS,
        max_bytes=MAX_PIXELS,
        faces=True,
        model=models.classifier,
        people_model=models.people,
    )
    print("| Format | CPU time, 12 megapixels | of Pillow's | large file | memory beside it |")
    print("|---|---|---|---|---|")
    for name, kind, how in _FORMATS:
        content = encode(photograph, kind, **how)
        rounds = [
            (cpu(loaded, content), cpu(stock, content)) for _ in range(1 if smoke else ROUNDS)
        ]
        ours, pillow = (min(times) for times in zip(*rounds, strict=True))
        # Enlarged as is quickest: what decoding keeps depends on the size, not on what is shown.
        size = SIZES[0] if smoke else _LARGEST.get(kind, (12_500, 8_000))
        large = photograph.resize(size, Image.Resampling.NEAREST)
        content = encode(large, kind, **how, **_QUICKLY.get(kind, {}))
        file = f"{size[0] * size[1] / 1e6:.0f} MP, {len(content) / 1e6:.0f} MB"
        try:
            how_much = f"{growth(content, kind, options):.0f} MB"
        except PictureRefused as refused:
            how_much = refused.message
        times = f"{ours:.0f} ms | {ours / pillow:.2f}"
        print(f"| {name} | {times} | {file} | {how_much} |", flush=True)


def cpu(work: Callable[[bytes], object], content: bytes) -> float:
    """Return the milliseconds of a processor that some work takes."""
    began = time.process_time()
    work(content)
    return (time.process_time() - began) * 1000


def growth(content: bytes, kind: ImageType, options: Options) -> float:
    """Return the megabytes by which a process grew that labelled an image, without its file."""
    pool = DetectorPool("onnx", options, size=1)
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "small", Path(folder) / "large"
        paths[0].write_bytes(photo("rocket.jpg"))
        paths[1].write_bytes(content)
        small = Picture("", ImageType.JPEG, lambda: paths[0].open("rb"))
        large = Picture("", kind, lambda: paths[1].open("rb"))
        try:
            pool.wait_until_ready()
            (child,) = pool._children  # noqa: SLF001
            pool.detect(small, max_labels=10, min_confidence=55)
            # From here on, without what loading took (proc(5): 5 resets the peak).
            (Path("/proc") / str(child.pid) / "clear_refs").write_text("5")
            before = most_memory(child.pid)
            pool.detect(large, max_labels=10, min_confidence=55)
            return most_memory(child.pid) - before - len(content) / 1e6
        finally:
            pool.close()


def most_memory(pid: int) -> float:
    """Return the most megabytes that a process had resident."""
    status = (Path("/proc") / str(pid) / "status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def open_session(model: Path) -> tuple[onnxruntime.InferenceSession, str]:
    """Open the model with one thread and no other option."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])
    return session, session.get_inputs()[0].name


def stock(jpeg: bytes) -> np.ndarray[Any, Any]:
    """Decode and resize in the usual way."""
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    scale = SIDE / CROP / min(image.size)
    width, height = (round(side * scale) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - SIDE) // 2, (height - SIDE) // 2
    return np.asarray(image.crop((left, top, left + SIDE, top + SIDE)))[np.newaxis]


def torch_eager(model: Path, square: np.ndarray[Any, Any]) -> Callable[[bytes], object] | None:
    """Return a function that runs our graph's nodes one by one in torch, None without torch."""
    try:
        import torch  # noqa: PLC0415  # not a dependency of the project's
    except ImportError:
        return None
    torch.set_num_threads(1)
    graph = onnx.load(str(model)).graph
    known = {
        each.name: torch.from_numpy(onnx.numpy_helper.to_array(each).copy())
        for each in graph.initializer
    }
    functions = torch.nn.functional

    def run(_: bytes) -> object:
        values = dict(known)
        values[graph.input[0].name] = torch.from_numpy(square[np.newaxis].copy())
        for node in graph.node:
            given = [values[name] if name else None for name in node.input]
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            values[node.output[0]] = step(node.op_type, given, attributes)
        return values[graph.output[0].name]

    def step(kind: str, given: list[Any], attributes: dict[str, Any]) -> Any:
        if kind == "Conv":
            top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
            padded = functions.pad(given[0], (left, right, top, bottom))
            strides, group = attributes.get("strides", [1, 1]), attributes.get("group", 1)
            return functions.conv2d(padded, *given[1:], stride=strides, groups=group)
        if kind == "Gemm":
            weight = given[1] if attributes.get("transB") else given[1].T
            return functions.linear(given[0], weight, given[2])
        return plain[kind](given, attributes)

    plain: dict[str, Callable[[list[Any], dict[str, Any]], Any]] = {
        "Clip": lambda given, _: given[0].clamp(*given[1:]),
        "Cast": lambda given, _: given[0].float(),
        "Transpose": lambda given, attributes: given[0].permute(attributes["perm"]),
        "Add": lambda given, _: given[0] + given[1],
        "Sub": lambda given, _: given[0] - given[1],
        "Mul": lambda given, _: given[0] * given[1],
        "Div": lambda given, _: given[0] / given[1],
        "GlobalAveragePool": lambda given, _: given[0].mean((2, 3), keepdim=True),
        "Flatten": lambda given, _: given[0].flatten(1),
        "Softmax": lambda given, _: given[0].softmax(-1),
    }
    with torch.inference_mode():
        run(b"")
    eager: Callable[[bytes], object] = torch.inference_mode()(run)
    return eager


def measure_service(folder: Path, uploads: int, idle_requests: int) -> None:
    """Print figures of the whole service while it labels 12-megapixel pictures on every core."""
    jpegs = pictures(SIZES[2], NOBODY + PEOPLE, 4)
    service = ServiceProcess(folder, "--log-level", "warning").start()
    try:
        idle = times_of_create(service, lambda: False, least=idle_requests)
        idle_memory = resident(service.pid)
        targets = [service.create_upload("JPEG") for _ in range(uploads)]
        done, most = threading.Event(), [0.0]
        watching = threading.Thread(target=watch_memory, args=(service.pid, most, done))
        watching.start()
        began = time.perf_counter()
        # From another process, so that it does not delay the requests that are timed.
        sending = multiprocessing.get_context("fork").Process(
            target=send_all, args=(targets, jpegs)
        )
        sending.start()

        arriving = times_of_create(service, sending.is_alive, least=1)
        labelling = times_of_create(service, lambda: finished(service) < uploads, least=1)
        took = time.perf_counter() - began
        sending.join()
        done.set()
        watching.join()
        (failed,) = service.row("SELECT count(*) FROM blobs WHERE status = 'FAILED'")
    finally:
        service.stop()
    print(f"the service, {uploads} pictures of 12 megapixels on {CORES} cores, {failed} failed")
    print(f"  PUT to LABELLED    {uploads / took:5.1f} pictures/s")
    for what, taken in (
        ("idle", idle),
        ("while pictures arrive", arriving),
        ("while they are labelled", labelling),
    ):
        print(
            f"  createUpload {what:24} p50 {ms(taken, 50)}  p99 {ms(taken, 99)} ms, "
            f"{percentile(taken, 99) / percentile(idle, 99):.1f} times idle's (goal 3)"
        )
    print(
        f"  resident memory    idle {idle_memory:.0f} MB, at most {most[0]:.0f} MB "
        f"(goal {MAX_MEMORY})"
    )


def times_of_create(
    service: ServiceProcess, is_busy: Callable[[], bool], least: int = 0
) -> list[float]:
    """Create uploads, 50 a second, while it is busy; return the seconds of each request."""
    taken: list[float] = []
    asked = {"query": CREATE, "variables": {"input": {"contentType": "JPEG"}}}
    with httpx.Client(base_url=service.url, timeout=60) as client:
        for _ in range(20):
            client.post("/graphql", json=asked)
        while len(taken) < least or is_busy():
            began = time.perf_counter()
            client.post("/graphql", json=asked).raise_for_status()
            taken.append(time.perf_counter() - began)
            time.sleep(max(0.0, 0.02 - taken[-1]))
    return taken


def send_all(targets: list[dict[str, Any]], jpegs: list[bytes]) -> None:
    """PUT pictures, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(send, (targets[::2], targets[1::2]), itertools.repeat(jpegs)))


def send(targets: list[dict[str, Any]], jpegs: list[bytes]) -> None:
    """PUT pictures one after another over one connection."""
    connection = http.client.HTTPConnection(urlsplit(targets[0]["url"]).netloc, timeout=60)
    for target, jpeg in zip(targets, itertools.cycle(jpegs), strict=False):
        url = urlsplit(target["url"])
        headers = {header["name"]: header["value"] for header in target["headers"]}
        # With random bytes appended, so that the detection cache does not answer for it.
        path = f"{url.path}?{url.query}"
        connection.request("PUT", path, jpeg + os.urandom(16), headers)
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
    connection.close()


def finished(service: ServiceProcess) -> int:
    """Return how many blobs are labelled or failed."""
    asked = "SELECT count(*) FROM blobs WHERE status IN ('LABELLED', 'FAILED')"
    return int(service.row(asked)[0])


def watch_memory(pid: int, most: list[float], done: threading.Event) -> None:
    """Record the peak memory of the service and its processes until `done`."""
    while not done.wait(0.05):
        most[0] = max(most[0], resident(pid))


def resident(pid: int) -> float:
    """Return the megabytes resident of a process and its children, shared pages counted once."""
    return sum(
        int(line.split()[1]) * 1024 / 1e6
        for process in (pid, *children_of(pid))
        for line in (Path("/proc") / str(process) / "smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    )


def children_of(pid: int) -> list[int]:
    """Return the running child processes of a process."""
    tasks = (Path("/proc") / str(pid) / "task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def percentile(values: list[float], rank: int) -> float:
    """Return the value below which `rank` per cent of the values lie."""
    return sorted(values)[min(len(values) - 1, len(values) * rank // 100)]


def ms(values: list[float], rank: int) -> str:
    """Return a percentile of seconds as milliseconds."""
    return f"{percentile(values, rank) * 1000:5.1f}"


if __name__ == "__main__":
    main()
