"""`labelling export`: blobs and labels written as files through the public API."""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from core.domain.facts import Facts, metadata_of
from core.domain.label import BoundingBox, Instance, Label
from embedded.cli.main import main
from embedded.client.exporter import BLOB_COLUMNS, FACT_COLUMNS, LABEL_COLUMNS, safe_cell
from tests.support.services.embedded_stores import EmbeddedStores
from tests.support.services.live_server import LiveServer
from tests.support.services.process import ROOT

FACE = Label(
    "Face",
    99.824,
    parents=("Person",),
    instances=(Instance(BoundingBox(0.25, 0.5, 0.125, 0.1), 99.824),),
    categories=("Person Description",),
)
CAT = Label('Cat, "tabby"', 91.5, parents=("Feline", "Animal"), aliases=("Puss", "Kätzchen"))
BLOBS = 120  # more than two pages


@pytest.fixture
def server(stores: EmbeddedStores) -> Iterator[LiveServer]:
    """Serve the API with blobs of two owners, in every state."""
    for number in range(BLOBS):
        stores.labelled("local", FACE, CAT, min_confidence=float(number % 50))
    facts = Facts("=Straße.jpg", "order-17", metadata_of([("year", "2026"), ("album", "Élan")]))
    stores.labelled("local", facts=facts)
    stores.failed("local")
    stores.awaiting("local")
    stores.labelled("bert", CAT)
    with LiveServer(stores) as started:
        yield started


def export_to(server: LiveServer, kind: str, output: Path) -> None:
    url = f"http://{server.address}"
    assert main(["export", "--format", kind, "--output", str(output), "--url", url]) == 0


def from_csv(path: Path) -> list[dict[str, Any]]:
    """Rebuild the blobs from their records."""
    blobs: dict[str, dict[str, Any]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            metadata = json.loads(row["metadata"] or "{}")
            plain = {column: row[column] for column in (*BLOB_COLUMNS, *FACT_COLUMNS[:-1])}
            blob = blobs.setdefault(row["id"], {**plain, "metadata": metadata, "labels": []})
            if row["label"]:
                lists = {
                    name: [each for each in row[name].split(";") if each]
                    for name in ("parents", "aliases", "categories")
                }
                instances = json.loads(row["instances"] or "[]")
                label = {"name": row["label"], "confidence": float(row["confidence"]), **lists}
                own = {"source": row["source"], "confirmed_at": row["confirmed_at"] or None}
                blob["labels"].append({**label, "instances": instances, **own})
    return list(blobs.values())


def test_every_format_has_the_same_content(
    server: LiveServer, stores: EmbeddedStores, tmp_path: Path
) -> None:
    """All of the caller's blobs, newest first, with their labels, and no blob of another owner."""
    paths = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "jsonl", "parquet")}
    for kind, path in paths.items():
        export_to(server, kind, path)
    lines = [json.loads(line) for line in paths["jsonl"].read_text("utf-8").splitlines()]
    assert len(lines) == BLOBS + 3
    assert [line["id"] for line in lines] == sorted((line["id"] for line in lines), reverse=True)
    assert [line["status"] for line in lines[:4]] == [
        "AWAITING_UPLOAD",
        "FAILED",
        "LABELLED",
        "LABELLED",
    ]
    assert [line["labels"] for line in lines[:3]] == [None, None, []]
    first = lines[3]
    assert list(first) == [*BLOB_COLUMNS, "labels", *FACT_COLUMNS]
    assert [first[name] for name in FACT_COLUMNS] == [None, None, {}]
    facts = [lines[2][name] for name in FACT_COLUMNS]
    assert facts == ["=Straße.jpg", "order-17", {"album": "Élan", "year": "2026"}]
    assert first["labels"] == [
        {
            "name": "Face",
            "confidence": 99.824,
            "parents": ["Person"],
            "aliases": [],
            "categories": ["Person Description"],
            "instances": [
                {"left": 0.25, "top": 0.5, "width": 0.125, "height": 0.1, "confidence": 99.824}
            ],
            "source": "DETECTOR",
            "confirmed_at": None,
        },
        {
            "name": 'Cat, "tabby"',
            "confidence": 91.5,
            "parents": ["Feline", "Animal"],
            "aliases": ["Puss", "Kätzchen"],
            "categories": [],
            "instances": [],
            "source": "DETECTOR",
            "confirmed_at": None,
        },
    ]
    assert (first["detector"], first["sha256"], first["size_bytes"]) == ("eye 1", "c2hh", 5)
    assert lines[1]["failure_code"] == "CORRUPT_IMAGE"

    as_text = [
        {
            **{name: "" if line[name] is None else str(line[name]) for name in BLOB_COLUMNS},
            "file_name": safe_cell(line["file_name"] or ""),
            "external_id": line["external_id"] or "",
            "metadata": line["metadata"],
            "labels": line["labels"] or [],
        }
        for line in lines
    ]
    assert from_csv(paths["csv"]) == as_text
    with paths["csv"].open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == [*BLOB_COLUMNS, *LABEL_COLUMNS, *FACT_COLUMNS]

    table = pyarrow.parquet.read_table(paths["parquet"]).to_pylist()
    for row in table:
        for name in ("created_at", "labelled_at"):
            assert row[name] is None or isinstance(row[name], datetime)
            row[name] = row[name] and row[name].isoformat()
        row["metadata"] = dict(row["metadata"])
    for line in lines:
        for name in ("created_at", "labelled_at"):
            line[name] = line[name] and datetime.fromisoformat(line[name]).isoformat()
    assert table == lines


def test_failed_export_leaves_the_old_file(
    server: LiveServer, stores: EmbeddedStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no partial file."""
    monkeypatch.setattr("embedded.client.api.FIRST_PAUSE", 0.01)
    output = tmp_path / "out.jsonl"
    output.write_text("before")
    find = stores.blobs.find_page

    def failing(*arguments: Any, **options: Any) -> Any:
        if options["after"]:
            raise sqlite3.OperationalError("no more")
        return find(*arguments, **options)

    monkeypatch.setattr(stores.blobs, "find_page", failing)
    url = f"http://{server.address}"
    arguments = ["export", "--output", str(output), "--url", url]
    assert main(arguments) == 1
    assert output.read_text() == "before"
    assert list(tmp_path.glob("*.part")) == []


def test_export_writes_to_a_pipe(server: LiveServer) -> None:
    """A reader may close the pipe early, as `head` does."""
    command = [sys.executable, "-m", "embedded", "export", "--url", f"http://{server.address}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == BLOBS + 3
    with subprocess.Popen(
        [*command, "--format", "csv"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as early:
        assert early.stdout is not None
        assert early.stderr is not None
        columns = ",".join([*BLOB_COLUMNS, *LABEL_COLUMNS, *FACT_COLUMNS])
        assert early.stdout.readline() == f"{columns}\r\n".encode()
        early.stdout.close()
        errors = early.stderr.read().decode()
    assert "Traceback" not in errors


def test_parquet_requires_a_file_and_pyarrow(
    server: LiveServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message names what is missing and how to provide it."""
    arguments = ["export", "--format", "parquet", "--url", f"http://{server.address}"]
    assert main(arguments) == 1
    assert "--output" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main([*arguments, "--output", str(tmp_path / "out.parquet")]) == 1
    assert "requirements/parquet.txt" in capsys.readouterr().err
    assert list(tmp_path.glob("out*")) == []
