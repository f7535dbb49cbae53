"""The real model labels real photographs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from PIL import Image

from core.domain.blob import FailureCode, ImageType
from core.domain.errors import ObjectNotFound, PictureRefused, Unavailable
from core.domain.label import Detection, Embedding
from labeller.detectors.base import Detector, Picture
from labeller.detectors.calibration import colour_entropy, temperature
from labeller.detectors.efficientnet_lite import build_model
from labeller.detectors.embedding import quantised
from labeller.detectors.onnx import OnnxDetector, open_detector
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.taxonomy import load_taxonomy
from tests.support.images.models import open_with_people
from tests.support.images.photos import large_photo, photo
from tests.support.services.process import ROOT

PHOTOS = ("chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")


@pytest.fixture(scope="module")
def detector(model_path: Path) -> OnnxDetector:
    return open_detector(model_path, max_pixels=50_000_000)


def picture(content: bytes) -> Picture:
    kind = ImageType.PNG if content.startswith(b"\x89PNG") else ImageType.JPEG
    return Picture("originals/owner/blob", kind, lambda: io.BytesIO(content))


def seen(
    detector: Detector, content: bytes, *, max_labels: int = 40, min_confidence: float = 20
) -> Detection:
    return detector.detect(picture(content), max_labels=max_labels, min_confidence=min_confidence)


def confidences(detection: Detection) -> dict[str, float]:
    return {label.name: label.confidence for label in detection.labels}


def resized(content: bytes, scale: float) -> bytes:
    whole = Image.open(io.BytesIO(content)).convert("RGB")
    out = io.BytesIO()
    whole.resize([round(side * scale) for side in whole.size]).save(out, "PNG")
    return out.getvalue()


def cosine(one: Embedding | None, other: Embedding | None) -> float:
    assert one is not None
    assert other is not None
    vectors = [np.frombuffer(each.features, np.int8).astype(float) for each in (one, other)]
    a, b = (vector / np.linalg.norm(vector) for vector in vectors)
    return float(a @ b)


def test_name_holds_model_and_version(detector: OnnxDetector) -> None:
    """It is stored with the labels."""
    assert detector.name == "efficientnet-lite0/2.6"
    assert seen(detector, photo("chelsea.png")).detector == detector.name


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("chelsea.png", (451, 300), {"Animal": 90, "Cat": 85}),
        ("coffee.png", (600, 400), {"Drink": 80, "Coffee": 80}),
        ("rocket.jpg", (640, 427), {"Rocket": 40}),
        ("motorcycle_left.png", (741, 500), {"Vehicle": 50, "Motorcycle": 40}),
    ],
)
def test_photograph_gets_its_labels(
    detector: OnnxDetector, name: str, size: tuple[int, int], expected: dict[str, float]
) -> None:
    """The general label is the first, and the specific one has some confidence."""
    detection = seen(detector, photo(name))
    found = confidences(detection)
    assert (detection.width, detection.height) == size
    assert detection.labels[0].name == next(iter(expected))
    assert all(found.get(label, 0) >= least for label, least in expected.items()), found


def test_large_photograph_gets_the_labels_of_a_small_one(detector: OnnxDetector) -> None:
    """It has twelve megapixels."""
    detection = seen(detector, large_photo())
    assert (detection.width, detection.height) == (4000, 3000)
    assert confidences(detection)["Cat"] > 85


def test_callers_limits_apply(detector: OnnxDetector) -> None:
    """Number of labels, confidence and order."""
    everything = seen(detector, photo("chelsea.png"), min_confidence=0, max_labels=1000).labels
    assert len(everything) > 40
    assert seen(detector, photo("chelsea.png"), max_labels=3).labels == everything[:3]
    sure = seen(detector, photo("chelsea.png"), min_confidence=90).labels
    assert sure == tuple(label for label in everything if label.confidence >= 90)


def test_plain_picture_gets_no_labels(detector: OnnxDetector) -> None:
    """No class has a relevant probability."""
    gray = detector.infer(np.full((224, 224, 3), 127, np.uint8))
    assert gray.probabilities.shape == (1000,)
    assert gray.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_same_picture_in_another_size_gets_a_similar_embedding(detector: OnnxDetector) -> None:
    """Other pictures get other ones."""
    cat = seen(detector, photo("chelsea.png")).embedding
    assert cat is not None
    assert cat.network == "efficientnet-lite0/2"
    half = seen(detector, resized(photo("chelsea.png"), 0.5)).embedding
    coffee = seen(detector, photo("coffee.png")).embedding
    assert cosine(cat, half) > 0.95
    assert cosine(cat, coffee) < 0.6


class Recording:
    """A session that keeps the inputs of its runs."""

    def __init__(self, session: object) -> None:
        self._session = session
        self.inputs: list[np.ndarray] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, outputs: object, inputs: dict[str, np.ndarray]) -> Any:
        (pixels,) = inputs.values()
        self.inputs.append(pixels[0])
        return self._session.run(outputs, inputs)  # type: ignore[attr-defined]


def recorded(detector: OnnxDetector) -> tuple[OnnxDetector, Recording]:
    session = Recording(detector._session)
    scenes = detector._scenes
    return OnnxDetector(session, load_taxonomy(), scenes, max_pixels=10**9), session


def test_picture_with_sure_labels_is_viewed_once(detector: OnnxDetector) -> None:
    """So is one of which nothing is shown."""
    watched, session = recorded(detector)
    for number, name in enumerate(("chelsea.png", "coffee.png", "retina.jpg"), start=1):
        seen(watched, photo(name))
        assert len(session.inputs) == number, name


def test_doubtful_label_has_its_lowest_confidence_in_three_views(detector: OnnxDetector) -> None:
    """Whatever the caller's limits are; the embedding is that of the usual view."""
    watched, session = recorded(detector)
    content = photo("camera.png")
    found = seen(watched, content, max_labels=2000, min_confidence=0)
    assert len(session.inputs) == 3

    image = detector.prepare(picture(content))
    views = [detector.infer(pixels) for pixels in session.inputs]
    heat = temperature(colour_entropy(image.pixels))
    each = [detector._confidences(view, heat) for view in views]
    lowest = dict(zip(names_of_labels(), np.minimum.reduce(each).tolist(), strict=True))
    assert confidences(found) == {name: value for name, value in lowest.items() if value > 0}
    assert any((other != each[0]).any() for other in each[1:])
    assert all(
        confidences(found)[parent] >= label.confidence
        for label in found.labels
        for parent in label.parents
    )
    assert found.embedding is not None
    assert found.embedding.features == quantised(views[0].features)
    assert seen(watched, content, max_labels=2, min_confidence=0).labels == found.labels[:2]


BASKETBALL = ROOT / "tests" / "data" / "evaluation" / "basketball.jpg"


def test_what_all_views_agree_on_is_shown_where_nothing_else_is(detector: OnnxDetector) -> None:
    """Their lowest confidence is raised by ten."""
    watched, session = recorded(detector)
    content = BASKETBALL.read_bytes()
    found = seen(watched, content, max_labels=2000, min_confidence=55)
    assert len(session.inputs) == 3

    heat = temperature(colour_entropy(session.inputs[0]))
    each = [detector._confidences(detector.infer(pixels), heat) for pixels in session.inputs]
    lowest = dict(zip(names_of_labels(), np.minimum.reduce(each).tolist(), strict=True))
    assert max(lowest.values()) < 55
    raised = {name: value + 10 for name, value in lowest.items() if value >= 45}
    assert "Basketball" in raised
    assert confidences(found) == pytest.approx(raised)


def test_where_a_person_is_shown_labels_are_not_raised(model_path: Path) -> None:
    found = seen(open_with_people(model_path), BASKETBALL.read_bytes(), min_confidence=55)
    assert "Person" in confidences(found)
    assert "Basketball" not in confidences(found)


def names_of_labels() -> list[str]:
    return [label.name for label in load_taxonomy().labels]


def test_threads_share_one_detector(detector: OnnxDetector) -> None:
    """Concurrent calls return what single calls return."""
    alone = [seen(detector, photo(name)) for name in PHOTOS]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda name: seen(detector, photo(name)), PHOTOS * 8))
    assert together == alone * 8


def test_stream_is_closed_after_every_call(detector: OnnxDetector) -> None:
    streams: list[BinaryIO] = []

    def stream_of(content: bytes) -> BinaryIO:
        streams.append(io.BytesIO(content))
        return streams[-1]

    for content in (photo("rocket.jpg"), photo("rocket.jpg")[:5000]):
        rocket = Picture("key", ImageType.JPEG, lambda content=content: stream_of(content))  # type: ignore[misc]
        with suppress(PictureRefused):
            detector.detect(rocket, max_labels=1, min_confidence=0)
    assert [stream.closed for stream in streams] == [True, True]


def test_error_of_opening_is_passed_on(detector: OnnxDetector) -> None:
    def gone() -> BinaryIO:
        raise ObjectNotFound("key")

    with pytest.raises(ObjectNotFound):
        detector.detect(Picture("key", ImageType.PNG, gone), max_labels=1, min_confidence=0)


def test_picture_above_max_pixels_is_refused(model_path: Path) -> None:
    detector = open_detector(model_path, max_pixels=100_000)
    with pytest.raises(PictureRefused, match="at most 100,000") as refused:
        seen(detector, photo("chelsea.png"))
    assert refused.value.code == FailureCode.TOO_MANY_PIXELS


def test_missing_model_is_reported_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable) as error:
        open_detector(tmp_path / "none.onnx", max_pixels=1)
    assert str(error.value) == f"No model at {tmp_path}/none.onnx. Run ./run once to build it"


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08\x12\x04"])
def test_damaged_model_is_reported_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelUnusable, match=r"Delete it and run \./run, which builds it again"):
        open_detector(path, max_pixels=1)


def test_model_with_other_classes_is_refused(detector: OnnxDetector) -> None:
    taxonomy = load_taxonomy()
    other = type(taxonomy).build(["Cat"], {"Cat": ()})
    with pytest.raises(ModelUnusable, match="unexpected inputs and outputs"):
        OnnxDetector(detector._session, other, detector._scenes, max_pixels=1)


def test_runtime_error_raises_unavailable(detector: OnnxDetector) -> None:
    """The picture is not at fault."""

    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(detector._session, name)

        def run(self, *_: object) -> Any:
            raise RuntimeError("out of handles")

    broken = OnnxDetector(Broken(), load_taxonomy(), detector._scenes, max_pixels=10**9)
    with pytest.raises(Unavailable, match=r"efficientnet-lite0/2\.6 failed: out of handles"):
        seen(broken, photo("chelsea.png"))


@pytest.mark.slow
def test_opening_takes_little_cpu_time_and_prints_nothing(model_path: Path) -> None:
    """CPU time, because the wall time depends on the machine's load."""
    code = (
        "import sys, pathlib; from labeller.detectors.onnx import open_detector;"
        "open_detector(pathlib.Path(sys.argv[1]), max_pixels=1)"
    )
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code, str(model_path)],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[4],
    )
    after = os.times()
    used = after.children_user + after.children_system
    assert used - before.children_user - before.children_system < 3
    assert (done.stdout, done.stderr) == (b"", b"")


def test_built_model_can_be_opened_from_any_path(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    build_model(path)
    assert open_detector(path, max_pixels=1).name == "efficientnet-lite0/2.6"
