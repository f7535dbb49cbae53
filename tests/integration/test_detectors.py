"""The service with other detectors: real processes, real images."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.domain.blob import ImageType
from core.domain.errors import Unavailable
from core.domain.thumbnail import ThumbnailSize
from embedded.detection.pool import DetectorPool
from labeller.detectors.base import Options, Picture
from tests.support.aws.rekognition_server import RekognitionServer
from tests.support.images.classifiers import (
    colour_classifier,
    describe,
    heavy_colours,
    searchable_classifier,
)
from tests.support.images.photos import as_jpeg, photo
from tests.support.services.process import ROOT, ServiceProcess
from tests.support.waiting import PATIENCE

NOWHERE = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
KEYS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}


@pytest.fixture
def rekognition() -> Iterator[RekognitionServer]:
    server = RekognitionServer()
    yield server
    server.close()


def labelled(service: ServiceProcess, content: bytes, kind: str = "PNG") -> dict[str, Any]:
    blob_id = service.upload(content, kind)
    blob = service.wait_for(blob_id, lambda blob: blob["status"] not in IN_WORK)
    assert blob["status"] == "LABELLED", blob
    return {
        "detector": service.row(
            "SELECT json_extract(document, '$.detector') FROM blobs WHERE id = ?", blob_id
        )[0],
        "labels": {label["name"]: label["confidence"] for label in blob["labels"]},
        "size": (blob["width"], blob["height"]),
    }


IN_WORK = {"AWAITING_UPLOAD", "UPLOADED", "LABELLING", "PENDING"}


def said_at_start(tmp_path: Path, *flags: str, **environ: str) -> str:
    """Return what a service that can't start prints."""
    done = subprocess.run(
        [sys.executable, "-m", "embedded", "serve", "--port=0", f"--data={tmp_path}", *flags],
        cwd=ROOT,
        env={"PATH": "/usr/bin", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr.strip()


def test_rekognition_labels_local_images(tmp_path: Path, rekognition: RekognitionServer) -> None:
    """Formats that it accepts are sent unchanged, others are converted. No model is built."""
    service = ServiceProcess(tmp_path, "--detector", "rekognition", **rekognition.environ).start()
    try:
        cat = as_jpeg(photo("chelsea.png"))
        seen = labelled(service, cat, "JPEG")
        assert seen == {
            "detector": "rekognition/3.0",
            "labels": {"Animal": 98.5, "Cat": 98.5},
            "size": (451, 300),
        }
        small = io.BytesIO()
        Image.new("RGB", (20, 30)).save(small, "WEBP")
        assert labelled(service, small.getvalue(), "WEBP")["size"] == (20, 30)
        first, second = rekognition.pictures()
        assert first == cat
        assert Image.open(io.BytesIO(second)).format == "JPEG"
        assert all(key.startswith("AKIDOFTESTS/") for key in rekognition.keys)
        assert all(key.split("/")[2] == "eu-west-1" for key in rekognition.keys)
        assert not (tmp_path / "model").exists()
    finally:
        assert service.stop() == 0


def test_rekognition_without_region_or_credentials_is_an_error_at_start(tmp_path: Path) -> None:
    """The message names the variables to set."""
    remedy = "Set AWS_REGION, and AWS_PROFILE or credentials that allow rekognition:DetectLabels."
    choice = ("--detector", "rekognition")
    said = said_at_start(tmp_path, *choice, **NOWHERE, **KEYS)
    assert said == (
        "labelling: The detector rekognition can't be used: You must specify a region. " + remedy
    )
    said = said_at_start(tmp_path, *choice, **NOWHERE, AWS_REGION="eu-west-1")
    assert said == f"labelling: The detector rekognition can't be used: no credentials. {remedy}"
    said = said_at_start(tmp_path, *choice, **NOWHERE, AWS_PROFILE="none")
    assert said.endswith(f"could not be found. {remedy}")


def test_unknown_detector_is_an_error_at_start(tmp_path: Path) -> None:
    """The message lists the detectors. Nothing is built."""
    said = said_at_start(tmp_path, "--detector", "rekogniton")
    assert said == (
        "labelling: There is no detector 'rekogniton'. "
        "Choose onnx, rekognition or package.module:factory."
    )
    assert not (tmp_path / "model").exists()


def test_classifier_with_another_detector_is_an_error_at_start(tmp_path: Path) -> None:
    """Rekognition would ignore it silently."""
    said = said_at_start(
        tmp_path, "--detector", "rekognition", "--classifier", "flowers.toml", **NOWHERE, **KEYS
    )
    assert "flowers.toml describes a classifier, which only the detector onnx can run" in said


def test_users_classifier_labels_images(tmp_path: Path) -> None:
    """By a path relative to the working directory. The blob shows the classifier's own name."""
    folder = tmp_path / "colours"
    folder.mkdir()
    colour_classifier(folder)
    service = ServiceProcess(
        tmp_path / "data", "--classifier", str(folder / "classifier.toml"), "--faces", "no"
    ).start()
    try:
        picture = io.BytesIO()
        Image.new("RGB", (90, 60), (250, 10, 20)).save(picture, "JPEG")
        seen = labelled(service, picture.getvalue(), "JPEG")
        assert seen["detector"] == "colours/2"
        assert list(seen["labels"]) == ["Colour", "Red", "Warm"]
        assert labelled(service, photo("astronaut.png"))["detector"] == "colours/2"
        assert not (tmp_path / "data" / "model").exists()
    finally:
        assert service.stop() == 0


def test_pictures_of_a_zero_shot_classifier_are_searched_by_text(tmp_path: Path) -> None:
    """The picture's vector is made in a detector process, the text's in the service."""
    file = searchable_classifier(tmp_path)
    service = ServiceProcess(tmp_path / "data", "--classifier", str(file), "--faces", "no").start()
    try:
        for colour in ((250, 10, 20), (10, 20, 250)):
            picture = io.BytesIO()
            Image.new("RGB", (90, 60), colour).save(picture, "PNG")
            labelled(service, picture.getvalue())
        asked = "query ($text: String!) { search(text: $text) { nodes { labels { name } } } }"
        for text, order in (("a red rose", ["Rose", "Sky"]), ("the sky", ["Sky", "Rose"])):
            found = service.graphql(asked, text=text)["search"]["nodes"]
            assert [each["labels"][0]["name"] for each in found] == order
    finally:
        assert service.stop() == 0


def test_unusable_classifier_is_an_error_at_start(tmp_path: Path) -> None:
    """With its file and key, whichever process finds it out."""
    file = colour_classifier(tmp_path)
    file.write_text(file.read_text().replace("size = 32", "size = 0"))
    assert said_at_start(tmp_path / "data", "--classifier", str(file), "--faces", "no") == (
        f"labelling: {file}: input.size is 0: give 1 to 4096 pixels per side, or [height, width]."
    )


def test_paths_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The child processes have another one."""
    colour_classifier(tmp_path)
    monkeypatch.chdir(tmp_path)
    relative = Options(10**6, 10**6, classifier=Path("classifier.toml"))
    pool = DetectorPool("onnx", relative, size=1)
    try:
        pool.wait_until_ready()
        assert pool.name == "colours/2"
    finally:
        pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what is allocated")
def test_larger_model_leaves_memory_for_images(tmp_path: Path) -> None:
    """Of a hundred megapixels, beside a model that fills the usual limit alone."""
    heavy_colours(tmp_path / "model.onnx", megabytes=300)
    file = describe(tmp_path, "Red\nGreen\nBlue\n", {"size": 32, "scale": 1 / 255})
    pool = DetectorPool("onnx", Options(10**8, 10**8, classifier=file), size=1)
    try:
        pool.wait_until_ready()
        large = tmp_path / "large.png"
        Image.new("RGB", (12_500, 8_000), (250, 10, 20)).save(large, "PNG", compress_level=1)
        picture = Picture("k", ImageType.PNG, lambda: large.open("rb"))
        seen = pool.detect(picture, max_labels=1, min_confidence=0)
        assert (seen.labels[0].name, seen.width) == ("Red", 12_500)
    finally:
        pool.close()


def test_pool_has_the_version_of_the_last_detection(
    rekognition: RekognitionServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its responses show Rekognition's version."""
    for name, value in rekognition.environ.items():
        monkeypatch.setenv(name, value)
    pool = DetectorPool("rekognition", Options(10**6, 10**6), size=1)
    try:
        pool.wait_until_ready()
        assert pool.name == "rekognition"
        cat = picture_of(tmp_path / "cat", photo("chelsea.png"))
        seen = pool.detect(cat, max_labels=5, min_confidence=0)
        assert pool.name == seen.detector == "rekognition/3.0"
    finally:
        pool.close()


PLUGIN = """
import numpy as np
from core.domain.label import Detection, Label

class Counter:
    name = "counter/1"
    def __init__(self, options):
        self.options = options
    def detect(self, picture, *, max_labels, min_confidence):
        with picture.open() as stream:
            size = len(stream.read())
        if size < 10:
            return Detection((Label("Odd", np.float32(50)),), np.int64(1), 1, self.name)
        if size < 100:
            raise OSError("no more film")
        return Detection((Label(f"{size} bytes", 100.0),), 3, 4, self.name)
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of the user's."""
    (tmp_path / "counting.py").write_text(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.fixture
def pool(plugin: None) -> Iterator[DetectorPool]:
    opened = DetectorPool("counting:Counter", Options(10**6, 10**6), size=1)
    opened.wait_until_ready()
    yield opened
    opened.close()


def picture_of(path: Path, content: bytes) -> Picture:
    path.write_bytes(content)
    return Picture("k", ImageType.PNG, lambda: path.open("rb"))


def test_entry_point_runs_in_child_processes(pool: DetectorPool, tmp_path: Path) -> None:
    """Thumbnails do not depend on the detector."""
    cat = picture_of(tmp_path / "cat", photo("chelsea.png"))
    seen = pool.detect(cat, max_labels=1, min_confidence=0)
    assert (seen.labels[0].name, seen.width, seen.detector) == ("240512 bytes", 3, "counter/1")
    assert pool.name == "counter/1"
    assert Image.open(io.BytesIO(pool.thumbnail(cat, ThumbnailSize.SMALL))).format == "WEBP"


@pytest.mark.parametrize(
    ("size", "says"), [(50, "OSError: no more film"), (5, "can't be written as JSON: .*float32")]
)
def test_error_of_an_entry_point_is_reported(
    pool: DetectorPool, tmp_path: Path, size: int, says: str
) -> None:
    """The image is to be tried again, and the process goes on."""
    before = pool._children[0].pid
    with pytest.raises(Unavailable, match=says):
        pool.detect(picture_of(tmp_path / "p", bytes(size)), max_labels=1, min_confidence=0)
    assert pool._children[0].pid == before
    assert pool.health_error() is None
