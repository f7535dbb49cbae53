#!/usr/bin/env python3
"""The search for similar pictures: its time and memory, and how well it finds copies.

    python bench/similar.py [--pictures N] [--searches N] [--smoke]
    python bench/similar.py --photos FOLDER

The first form stores N (100,000) embeddings of one owner and searches the copies of some pictures,
and what is similar to others. Its first row is the first search, which reads all embeddings from
the database. The others have the median and the 99th percentile of the time of a search, and the
median of its CPU time, in milliseconds: of the service, and of a baseline that does the same work
with numpy alone. That multiplies 32-bit numbers in memory, sorts, and reads the same blobs.

The second form needs photographs of different things. It makes copies of each, detects all, and
prints for each kind of copy the share that is found as a DUPLICATE, and the share of the pairs of
different photographs that is found too.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, where "graphql" would be another file

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from core.backends.sqlite import Database
from core.domain.blob import Blob, BlobStatus, ImageType
from core.domain.clock import utc_now
from core.domain.label import Embedding, Label
from core.domain.similar import DUPLICATE_FROM, OUTLINE_SHARE, SIMILAR_FROM, SimilarKind
from core.repositories.serialization import blob_from_document, blob_to_document
from core.repositories.sqlite.embeddings import documents_of
from embedded.detection.model import model_at
from embedded.migrations import MIGRATIONS
from embedded.similar.index import SimilarIndex
from embedded.similar.vectors import OUTLINE
from labeller.detectors.base import Picture
from labeller.detectors.onnx import OnnxDetector, open_detector

NETWORK: Final = "bench/1"
FEATURES: Final = 1280
GOAL: Final = 50.0  # milliseconds at the 99th percentile
PAGE: Final = 20
BATCH: Final = 5000
# Pictures are near the middle of a scene, and every tenth is a copy of the one before.
SCENES: Final = 500
COPIES: Final = 10
MAX_SIDE: Final = 1600  # of a photograph

Floats = NDArray[np.float32]


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--pictures", type=int, default=100_000)
    options.add_argument("--searches", type=int, default=400)
    options.add_argument("--photos", type=Path, help="measure the copies that are found instead")
    options.add_argument("--smoke", action="store_true", help="a run of seconds, to test the code")
    given = options.parse_args()
    if given.photos:
        measure_copies(given.photos)
        return
    if given.smoke:
        given.pictures, given.searches = 3000, 4
    with tempfile.TemporaryDirectory() as folder:
        database = Database(Path(folder) / "similar.sqlite", MIGRATIONS)
        ids = fill(database, given.pictures)
        slow = measure_time(database, ids, given.searches)
        database.close()
    sys.exit(1 if slow and not given.smoke else 0)


# Time and memory


def fill(database: Database, number: int) -> list[str]:
    """Store labelled blobs of Anna's, each with an embedding; return their ids."""
    chance = np.random.default_rng(1)
    scenes = chance.gamma(0.4, size=(SCENES, FEATURES)).astype(np.float32)
    ids = [f"{n:026}" for n in range(number)]
    for start in range(0, number, BATCH):
        some = ids[start : start + BATCH]
        features = scenes[chance.integers(SCENES, size=len(some))]
        features = features + chance.gamma(0.4, size=features.shape).astype(np.float32)
        outlines = chance.normal(size=(len(some), OUTLINE)).astype(np.float32)
        for rows, noise in ((features, 0.2), (outlines, 0.2)):
            copies = rows[1::COPIES]
            rows[1::COPIES] = rows[::COPIES][: len(copies)] + chance.normal(
                scale=noise, size=copies.shape
            )
        with database.write(synced=False) as connection:
            connection.executemany(
                "INSERT INTO blobs (id, owner, status, version, document)"
                " VALUES (?, 'anna', 'LABELLED', 1, ?)",
                [(each, document(each)) for each in some],
            )
            connection.executemany(
                "INSERT INTO embeddings (blob_id, owner, network, features, outline)"
                " VALUES (?, 'anna', ?, ?, ?)",
                [
                    (blob_id, NETWORK, each.tobytes(), outline.tobytes())
                    for blob_id, each, outline in zip(
                        some, bytes_of(features), bytes_of(outlines), strict=True
                    )
                ],
            )
    return ids


def bytes_of(rows: Floats) -> NDArray[np.int8]:
    whole: NDArray[np.int8] = np.rint(rows / np.abs(rows).max(1, keepdims=True) * 127).astype(
        np.int8
    )
    return whole


def document(blob_id: str) -> str:
    blob = Blob(
        blob_id,
        "anna",
        BlobStatus.LABELLED,
        ImageType.JPEG,
        utc_now(),
        max_labels=10,
        min_confidence=55.0,
        finished_at=utc_now(),
        labels=tuple(Label(f"Label {n}", 90.0 - n) for n in range(5)),
    )
    return json.dumps(blob_to_document(blob))


class Baseline:
    """The same search with numpy alone, over all vectors as 32-bit numbers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.read() as connection:
            rows = connection.execute(
                "SELECT blob_id, features, outline FROM embeddings ORDER BY sequence"
            ).fetchall()
        self._ids = [row[0] for row in rows]
        self._places = {blob_id: place for place, blob_id in enumerate(self._ids)}
        self._features, self._outlines = (unit(rows, column) for column in (1, 2))
        self.size = self._features.nbytes + self._outlines.nbytes

    def find(self, blob_id: str, kind: SimilarKind) -> list[str]:
        place = self._places[blob_id]
        alike = self._features @ self._features[place]
        copied = (1 - OUTLINE_SHARE) * alike + OUTLINE_SHARE * (
            self._outlines @ self._outlines[place]
        )
        if kind is SimilarKind.DUPLICATE:
            found, kept = copied, copied >= DUPLICATE_FROM
        else:
            found, kept = alike, (alike >= SIMILAR_FROM) & (copied < DUPLICATE_FROM)
        kept[place] = False
        indexes = np.flatnonzero(kept)
        best = indexes[np.argsort(-found[indexes])[:PAGE]]
        ids = [self._ids[each] for each in best.tolist()]
        with self._database.read() as connection:
            stored = documents_of(connection, "anna", ids)
        return [blob_from_document(json.loads(stored[each][1])).id for each in ids]


def unit(rows: list[tuple[str, bytes, bytes]], column: int) -> Floats:
    numbers = np.empty((len(rows), len(rows[0][column])), np.float32)
    for place, row in enumerate(rows):
        numbers[place] = np.frombuffer(row[column], np.int8)  # type: ignore[arg-type]
    numbers /= np.linalg.norm(numbers, axis=1, keepdims=True)
    return numbers


def measure_time(database: Database, ids: list[str], searches: int) -> bool:
    """Print the table; return whether a search of the service is slower than the goal."""
    index, baseline = SimilarIndex(database), Baseline(database)
    chance = random.Random(1)  # noqa: S311

    def of_service(blob_id: str, kind: SimilarKind) -> list[str]:
        page = index.find("anna", blob_id, kind, first=PAGE)
        return [each.blob.id for each in page.items] if page else []

    print(f"{len(ids):,} pictures {'p50':>24} {'p99':>8} {'CPU':>8}")
    started = time.perf_counter()
    of_service(ids[0], SimilarKind.SIMILAR)
    print(f"{'first search':32} {(time.perf_counter() - started) * 1e3:8.1f}", flush=True)
    slow = False
    for kind in SimilarKind:
        wanted = [chance.choice(ids) for _ in range(searches)]
        agreed = [set(of_service(each, kind)) == set(baseline.find(each, kind)) for each in wanted]
        medians = {}
        for name, find in (("numpy", baseline.find), ("service", of_service)):
            p50, p99, cpu = timed(find, wanted, kind)
            print(f"{kind:10} {name:21} {p50:8.1f} {p99:8.1f} {cpu:8.1f}", flush=True)
            slow |= name == "service" and p99 > GOAL
            medians[name] = cpu
        print(
            f"{kind:10} {medians['service'] / medians['numpy']:.2f} of the baseline's CPU time, "
            f"{sum(agreed) / len(agreed):.1%} of the pages alike",
            flush=True,
        )
    (held,) = index._owners.values()  # noqa: SLF001
    print(f"vectors in memory: service {held.vectors.size / 1e6:.0f} MB, ", end="")
    print(f"numpy {baseline.size / 1e6:.0f} MB")
    return slow


def timed(
    find: Callable[[str, SimilarKind], list[str]], wanted: list[str], kind: SimilarKind
) -> tuple[float, float, float]:
    """Return the median and the 99th percentile of the time, and the median of the CPU time."""
    times, processor = [], []
    for each in wanted:
        started, used = time.perf_counter(), time.process_time()
        find(each, kind)
        times.append((time.perf_counter() - started) * 1e3)
        processor.append((time.process_time() - used) * 1e3)
    return (*np.percentile(times, [50, 99]).tolist(), float(np.median(processor)))


# Copies that are found


def encoded(picture: Image.Image, kind: str = "JPEG", quality: int = 88) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, quality=quality)
    return out.getvalue()


def scaled(picture: Image.Image, share: float) -> Image.Image:
    size = [max(1, round(side * share)) for side in picture.size]
    return picture.resize((size[0], size[1]), Image.Resampling.LANCZOS)


def cropped(picture: Image.Image, share: float, left_out: float = 0.5) -> Image.Image:
    """Keep a share of each side; `left_out` is what part of the rest is cut off left and above."""
    (width, height), rest = picture.size, 1 - share
    left, top = width * rest * left_out, height * rest * left_out
    return picture.crop((round(left), round(top), round(left + width * share),
                         round(top + height * share)))  # fmt: skip


COPIED: Final[dict[str, Callable[[Image.Image], bytes]]] = {
    "half the size": lambda picture: encoded(scaled(picture, 1 / 2)),
    "a quarter of the size": lambda picture: encoded(scaled(picture, 1 / 4)),
    "JPEG, quality 40": lambda picture: encoded(picture, quality=40),
    "WebP, quality 75": lambda picture: encoded(picture, "WEBP", 75),
    "PNG": lambda picture: encoded(picture, "PNG"),
    "5% of each side cut off": lambda picture: encoded(cropped(picture, 0.95)),
    "10% of each side cut off": lambda picture: encoded(cropped(picture, 0.9)),
    "10% cut off right and below": lambda picture: encoded(cropped(picture, 0.9, 0)),
    "half, 5% cut off, quality 60": lambda picture: encoded(
        scaled(cropped(picture, 0.95), 1 / 2), quality=60
    ),
    "grey": lambda picture: encoded(picture.convert("L")),
    "brighter by 15%": lambda picture: encoded(picture.point(lambda value: min(255, value * 1.15))),
}


def measure_copies(folder: Path) -> None:
    """Print which share of each kind of copy is found, and of pairs that are no copies."""
    with tempfile.TemporaryDirectory() as data:
        detector = open_detector(model_at(Path(data)), max_pixels=100_000_000)
        photos: list[Embedding] = []
        copies: dict[str, list[Embedding]] = {name: [] for name in COPIED}
        for path in sorted(folder.iterdir()):
            with Image.open(path) as opened:
                picture = ImageOps.exif_transpose(opened).convert("RGB")
            picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
            photos.append(embedding_of(detector, encoded(picture, quality=92)))
            for name, copy in COPIED.items():
                copies[name].append(embedding_of(detector, copy(picture)))
    for name, found in copies.items():
        pairs = zip(photos, found, strict=True)
        share = np.mean([similarity(*pair)[0, 0] >= DUPLICATE_FROM for pair in pairs])
        print(f"{name:30} {share:7.1%} of {len(found)} found", flush=True)
    others = similarities_of(photos)
    print(f"{'of different photographs':30} {np.mean(others >= DUPLICATE_FROM):8.4%} of "
          f"{len(others)} pairs found")  # fmt: skip


def embedding_of(detector: OnnxDetector, content: bytes) -> Embedding:
    picture = Picture("photo", ImageType.JPEG, lambda: io.BytesIO(content), len(content))
    found = detector.detect(picture, max_labels=1, min_confidence=0).embedding
    assert found is not None
    return found


def similarity(*embeddings: Embedding) -> Floats:
    """Return the similarity of each embedding but the last to each but the first."""
    features = unit([("", each.features, each.outline) for each in embeddings], 1)
    outlines = unit([("", each.features, each.outline) for each in embeddings], 2)
    alike: Floats = features[:-1] @ features[1:].T
    alike += OUTLINE_SHARE * (outlines[:-1] @ outlines[1:].T - alike)
    return alike


def similarities_of(photos: list[Embedding]) -> Floats:
    """Return the similarities of all pairs."""
    matrix = similarity(*photos)
    pairs: Floats = matrix[np.triu_indices(len(matrix))]
    return pairs


if __name__ == "__main__":
    main()
