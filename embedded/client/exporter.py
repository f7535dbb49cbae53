"""Write blobs and their labels as CSV, JSON Lines or Parquet, page by page."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Protocol, TextIO

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from embedded.client.api import ApiClient

PAGE: Final = 50
FORMATS: Final = ("csv", "jsonl", "parquet")
PARQUET_ROWS: Final = 5000  # rows of a row group, held in memory at once

BLOBS: Final = """
query ($first: Int!, $after: String) {
  blobs(first: $first, after: $after) {
    nodes {
      id status contentType sizeBytes sha256 width height createdAt labelledAt
      fileName externalId metadata { key value }
      detector { name version }
      failure { code message }
      labels {
        name confidence parents aliases categories source confirmedAt
        instances { confidence boundingBox { left top width height } }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""
_PLAIN: Final = {
    "id": "id",
    "status": "status",
    "content_type": "contentType",
    "size_bytes": "sizeBytes",
    "sha256": "sha256",
    "width": "width",
    "height": "height",
    "created_at": "createdAt",
    "labelled_at": "labelledAt",
}
_FACTS: Final = {"file_name": "fileName", "external_id": "externalId"}
FACT_COLUMNS: Final = (*_FACTS, "metadata")
BLOB_COLUMNS: Final = (*_PLAIN, "detector", "failure_code", "failure_message")
LABEL_COLUMNS: Final = (
    "label",
    "confidence",
    "parents",
    "aliases",
    "categories",
    "instances",
    "source",
    "confirmed_at",
)
SIDES: Final = ("left", "top", "width", "height")

Row = dict[str, Any]


class ParquetUnavailable(LabellingError):
    """pyarrow, which writes Parquet, is not installed."""


class Writer(Protocol):
    """Writes one blob after the other."""

    def write(self, row: Row) -> None:
        """Write a row of `blob_rows`."""


def blob_rows(api: ApiClient) -> Iterator[Row]:
    """Yield the caller's blobs, newest first, each with BLOB_COLUMNS, FACT_COLUMNS and `labels`.

    `metadata` is a dictionary. `detector` is `name/version`, or the name alone of one without a
    version. `labels` is None for a blob without labels yet. Each label has name, confidence
    (percent), parents, aliases, categories, instances, source and confirmed_at; each instance has
    left, top, width and height (fractions of the picture's width or height) and confidence. Raises
    as `ApiClient.execute`.
    """
    after: str | None = None
    while True:
        page = api.execute(BLOBS, first=PAGE, after=after)["blobs"]
        yield from map(row_of, page["nodes"])
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def row_of(node: Mapping[str, Any]) -> Row:
    """Return the row of a blob, as `blob_rows` does."""
    failure = node["failure"] or {}
    detector = node["detector"] or {}
    labels = node["labels"]
    return {
        **{column: node[name] for column, name in _PLAIN.items()},
        "detector": "/".join(filter(None, map(detector.get, ("name", "version")))) or None,
        "failure_code": failure.get("code"),
        "failure_message": failure.get("message"),
        "labels": None if labels is None else [_label(each) for each in labels],
        **{column: node[name] for column, name in _FACTS.items()},
        "metadata": {each["key"]: each["value"] for each in node["metadata"]},
    }


def _label(node: Mapping[str, Any]) -> Row:
    instances = [
        {**{side: each["boundingBox"][side] for side in SIDES}, "confidence": each["confidence"]}
        for each in node["instances"]
    ]
    plain = {name: value for name, value in node.items() if name != "confirmedAt"}
    return {**plain, "instances": instances, "confirmed_at": node["confirmedAt"]}


def safe_cell(text: str) -> str:
    """Return a text as a cell that no spreadsheet takes for a formula (OWASP, "CSV Injection")."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


class CsvWriter:
    """Writes CSV (RFC 4180): a record for each label of a blob, one for a blob without labels.

    Names in lists are joined by ";", instances and metadata are JSON. Owners write names of labels
    and facts, so those that a spreadsheet would take for formulas are quoted.
    """

    def __init__(self, file: TextIO) -> None:
        self._csv = csv.writer(file)
        self._csv.writerow((*BLOB_COLUMNS, *LABEL_COLUMNS, *FACT_COLUMNS))

    def write(self, row: Row) -> None:
        """Write a blob."""
        of_blob = [row[column] for column in BLOB_COLUMNS]
        metadata = json.dumps(row["metadata"], ensure_ascii=False) if row["metadata"] else ""
        facts = [*(safe_cell(row[column] or "") for column in _FACTS), metadata]
        for label in row["labels"] or ():
            lists = (
                safe_cell(";".join(label[name])) for name in ("parents", "aliases", "categories")
            )
            instances = json.dumps(label["instances"]) if label["instances"] else ""
            head = safe_cell(label["name"]), repr(label["confidence"]), *lists, instances
            tail = label["source"], label["confirmed_at"] or "", *facts
            self._csv.writerow((*of_blob, *head, *tail))
        if not row["labels"]:
            self._csv.writerow((*of_blob, *[""] * len(LABEL_COLUMNS), *facts))


class JsonLinesWriter:
    """Writes JSON Lines (jsonlines.org): one object for each blob."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: Row) -> None:
        """Write a blob."""
        self._file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")


class ParquetWriter:
    """Writes Parquet: a row for each blob with a list of labels, times as timestamps in UTC.

    `close` writes the end of the file. Raises ParquetUnavailable.
    """

    def __init__(self, path: Path) -> None:
        try:
            import pyarrow as pa  # an optional dependency  # noqa: PLC0415
            from pyarrow import parquet  # noqa: PLC0415
        except ImportError as exc:
            raise ParquetUnavailable(
                "Parquet needs pyarrow: install it with "
                "'pip install labelling[parquet]', or in a clone '.venv/bin/python -m pip install "
                "--require-hashes -r requirements/parquet.txt', "
                "or export as jsonl."
            ) from exc
        self._arrow = pa
        self._schema = _schema(pa)
        self._writer = parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[Row] = []

    def write(self, row: Row) -> None:
        """Collect a blob for the next row group."""
        times = {name: row[name] and _time(row[name]) for name in ("created_at", "labelled_at")}
        self._rows.append({**row, **times, "metadata": list(row["metadata"].items())})
        if len(self._rows) >= PARQUET_ROWS:
            self._flush()

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            table = self._arrow.Table.from_pylist(self._rows, schema=self._schema)
            self._writer.write_table(table)
            self._rows.clear()


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _schema(arrow: Any) -> Any:
    text, number, names = arrow.string(), arrow.float64(), arrow.list_(arrow.string())
    instance = arrow.struct([(side, number) for side in (*SIDES, "confidence")])
    label = arrow.struct(
        [
            ("name", text),
            ("confidence", number),
            ("parents", names),
            ("aliases", names),
            ("categories", names),
            ("instances", arrow.list_(instance)),
            ("source", text),
            ("confirmed_at", text),
        ]
    )
    kinds = {
        **dict.fromkeys(("size_bytes", "width", "height"), arrow.int64()),
        **dict.fromkeys(("created_at", "labelled_at"), arrow.timestamp("ms", tz="UTC")),
    }
    columns = [(name, kinds.get(name, text)) for name in BLOB_COLUMNS]
    facts = [*((name, text) for name in _FACTS), ("metadata", arrow.map_(text, text))]
    return arrow.schema([*columns, ("labels", arrow.list_(label)), *facts])


@contextmanager
def open_file(output: Path | None, stdout: TextIO) -> Iterator[TextIO]:
    """Open a text file for writing, or yield `stdout`.

    The file appears under its name once it is complete; after an exception nothing is left of it.
    Raises OSError.
    """
    if output is None:
        yield stdout
        return
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def open_writer(kind: str, output: Path | None, stdout: TextIO) -> Iterator[Writer]:
    """Open a writer of a format (csv, jsonl, parquet) to a file, or to `stdout`.

    The file appears under its name once it is complete; after an exception nothing is left of it.
    Raises ParquetUnavailable, OSError.
    """
    if kind != "parquet" or output is None:
        with open_file(output, stdout) as file:
            yield _text_writer(kind, file)
        return
    part = output.with_name(f"{output.name}.part")
    try:
        parquet = ParquetWriter(part)
        yield parquet
        parquet.close()
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def _text_writer(kind: str, file: TextIO) -> Writer:
    return CsvWriter(file) if kind == "csv" else JsonLinesWriter(file)
