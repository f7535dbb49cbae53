"""`labelling export --corrections`: corrected pictures as a training set."""

from __future__ import annotations

import contextlib
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.blob import Blob
from core.domain.corrections import Correction, DecisionKind, decide
from core.domain.edits import set_decisions
from core.domain.label import BoundingBox, Instance, Label
from embedded.cli.main import main
from tests.support.images.photos import photo
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.live_server import LiveServer
from tests.support.services.process import ServiceProcess

ADDED, CONFIRMED, REMOVED = DecisionKind
LEFT, TOP = BoundingBox(0, 0, 0.5, 1), BoundingBox(0, 0, 1, 0.25)
CAT, DOG = Label("Cat", 90.0, instances=(Instance(LEFT, 80.0),)), Label("Dog", 60.0)


def correct(stores: EmbeddedStores, blob: Blob, *wanted: Correction) -> Blob:
    known = {each.name.casefold(): each for each in blob.labels or ()}
    decisions = decide(blob.id, (), wanted, known, stores.clock(), "token")
    changed = set_decisions(blob, stores.clock(), decisions)
    stores.blobs.save(changed, blob)
    stores.storage.put(blob.key, f"bytes of {blob.id}".encode())
    return changed


@pytest.fixture
def corrected(stores: EmbeddedStores) -> list[Blob]:
    """Anna's corrected pictures, newest first; others are not corrected, or are Bert's."""
    first = correct(
        stores,
        stores.labelled("local", CAT, DOG, width=640, height=480),
        Correction(CONFIRMED, "Cat"),
        Correction(REMOVED, "Dog"),
    )
    stores.labelled("local", CAT)
    stores.awaiting("local")
    correct(stores, stores.labelled("bert", CAT), Correction(CONFIRMED, "Cat"))
    second = correct(
        stores,
        stores.labelled("local", DOG, width=640, height=480),
        Correction(ADDED, "=cmd", (LEFT, TOP)),
        Correction(ADDED, "cat"),
    )
    return [second, first]


@pytest.fixture
def server(stores: EmbeddedStores, corrected: list[Blob]) -> Iterator[LiveServer]:
    with LiveServer(stores) as started:
        yield started


def export(server: LiveServer, output: Path, *options: str) -> int:
    url = f"http://{server.address}"
    return main(["export", "--corrections", "--output", str(output), "--url", url, *options])


def test_csv_has_a_row_for_each_box_and_each_other_label(
    server: LiveServer, corrected: list[Blob], tmp_path: Path
) -> None:
    """No spreadsheet takes a name for a formula."""
    assert export(server, tmp_path / "set.csv", "--format", "csv") == 0
    with (tmp_path / "set.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    second, first = (each.id for each in corrected)
    assert head == ["path", "id", "label", "decision", "source", "left", "top", "width", "height"]
    nowhere = ["", "", "", ""]
    assert rows == [
        [f"{second}.jpg", second, "'=cmd", "CONFIRMED", "OWNER", "0.0", "0.0", "0.5", "1.0"],
        [f"{second}.jpg", second, "'=cmd", "CONFIRMED", "OWNER", "0.0", "0.0", "1.0", "0.25"],
        [f"{second}.jpg", second, "cat", "CONFIRMED", "OWNER", *nowhere],
        [f"{first}.jpg", first, "Cat", "CONFIRMED", "DETECTOR", "0.0", "0.0", "0.5", "1.0"],
        [f"{first}.jpg", first, "Dog", "REJECTED", "", *nowhere],
    ]


def test_coco_has_boxes_in_pixels_and_labels_of_whole_pictures(
    server: LiveServer, corrected: list[Blob], tmp_path: Path
) -> None:
    """Names that differ by case are one category."""
    assert export(server, tmp_path / "set.json") == 0
    made = json.loads((tmp_path / "set.json").read_text("utf-8"))
    assert made["categories"] == [
        {"id": 1, "name": "=cmd"},
        {"id": 2, "name": "cat"},
        {"id": 3, "name": "Dog"},
    ]
    second, first = (f"{each.id}.jpg" for each in corrected)
    size = {"width": 640, "height": 480}
    assert made["images"] == [
        {"id": 1, "file_name": second, **size, "category_ids": [1, 2], "neg_category_ids": []},
        {"id": 2, "file_name": first, **size, "category_ids": [2], "neg_category_ids": [3]},
    ]
    boxes = [(each["image_id"], each["category_id"], each["bbox"]) for each in made["annotations"]]
    assert boxes == [
        (1, 1, [0, 0, 320, 480]),
        (1, 1, [0, 0, 640, 120]),
        (2, 2, [0, 0, 320, 480]),
    ]
    assert [each["area"] for each in made["annotations"]] == [320 * 480, 640 * 120, 320 * 480]


@pytest.mark.slow
def test_pictures_are_stored_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A picture whose bytes are gone leaves no set."""
    folder, output = tmp_path / "pictures", tmp_path / "set.json"
    with contextlib.ExitStack() as stack:
        service = ServiceProcess(tmp_path / "data").start()
        stack.callback(service.stop)
        blob_id = service.upload(photo("chelsea.png"))
        service.wait_for(blob_id, lambda each: each["status"] == "LABELLED")
        service.graphql(
            'mutation ($ids: [ID!]!) { confirmLabels(ids: $ids, names: ["Cat"]) { __typename } }',
            ids=[blob_id],
        )
        command = ["export", "--corrections", "--output", str(output), "--url", service.url]
        command += ["--pictures", str(folder)]
        for _ in range(2):
            assert main(command) == 0
            (path,) = folder.iterdir()
            assert (path.name, path.read_bytes()) == (f"{blob_id}.png", photo("chelsea.png"))
            output.unlink()
        path.unlink()
        (original,) = (tmp_path / "data" / "originals").rglob(blob_id)
        original.unlink()
        assert main(command) == 1
    assert f"Picture {blob_id} could not be fetched" in capsys.readouterr().err
    assert list(tmp_path.glob("set*")) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--corrections", "--format", "parquet", "--output", "x"], "writes coco or csv"),
        (["--format", "coco"], "coco needs --corrections"),
        (["--pictures", "x"], "--pictures: needs --corrections"),
    ],
)
def test_options_that_do_not_fit_together_are_rejected(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["export", *options]) == 1
    assert message in capsys.readouterr().err
