"""Write corrected pictures as a training set: CSV, or JSON in the form of COCO."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

from core.domain.clock import is_id
from core.domain.errors import LabellingError
from embedded.client.exporter import SIDES, safe_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from embedded.client.api import ApiClient

PAGE: Final = 20  # signed URLs expire, so few pictures are fetched with one page
FORMATS: Final = ("coco", "csv")
COLUMNS: Final = ("path", "id", "label", "decision", "source", *SIDES)
CONFIRMED: Final = "CONFIRMED"
REJECTED: Final = "REJECTED"
_SUFFIXES: Final = {"JPEG": "jpg", "TIFF": "tif"}  # others have the name of their type
_OK: Final = 200

BLOBS: Final = """
query ($first: Int!, $after: String) {
  blobs(first: $first, after: $after, filter: {status: [LABELLED, LABELLING]}) {
    nodes {
      id contentType width height downloadUrl rejectedLabels
      labels { name source confirmedAt instances { boundingBox { left top width height } } }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""


class PictureMissing(LabellingError):
    """The bytes of a picture could not be fetched."""


@dataclass(frozen=True, slots=True)
class CorrectedPicture:
    """A picture with decisions: its file's name, size in pixels, and labels.

    Of each confirmed label there are name, source and boxes (left, top, width and height, as
    fractions of the picture); of rejected ones the names.
    """

    id: str
    path: str
    width: int | None
    height: int | None
    url: str | None
    confirmed: tuple[tuple[str, str, tuple[Mapping[str, float], ...]], ...]
    rejected: tuple[str, ...]


def corrected_pictures(api: ApiClient) -> Iterator[CorrectedPicture]:
    """Yield the caller's pictures with decisions, newest first. Raises as `ApiClient.execute`."""
    after: str | None = None
    while True:
        page = api.execute(BLOBS, first=PAGE, after=after)["blobs"]
        for picture in map(_picture, page["nodes"]):
            if picture.confirmed or picture.rejected:
                yield picture
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def _picture(node: Mapping[str, Any]) -> CorrectedPicture:
    kind = node["contentType"]
    return CorrectedPicture(
        node["id"],
        f"{node['id']}.{_SUFFIXES.get(kind, kind.lower())}",
        node["width"],
        node["height"],
        node["downloadUrl"],
        tuple(
            (each["name"], each["source"], tuple(i["boundingBox"] for i in each["instances"]))
            for each in node["labels"] or ()
            if each["confirmedAt"]
        ),
        tuple(node["rejectedLabels"]),
    )


def fetch_picture(api: ApiClient, picture: CorrectedPicture, folder: Path) -> None:
    """Store a picture in a folder, if it is not there. Raises PictureMissing, OSError."""
    if not is_id(picture.id):
        raise PictureMissing(f"The service returned an id that is none: {picture.id!r}.")
    path = folder / picture.path
    if path.exists():
        return
    response = api.send("GET", picture.url or "", {}, lambda: None)
    if response.status_code != _OK:
        raise PictureMissing(
            f"Picture {picture.id} could not be fetched (status {response.status_code}): "
            "delete its blob, or export without --pictures."
        )
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(response.content)
    part.replace(path)


class CsvSet:
    """Writes CSV (RFC 4180): a record for each box of a label, one for a label without boxes."""

    def __init__(self, file: TextIO) -> None:
        self._csv = csv.writer(file)
        self._csv.writerow(COLUMNS)

    def write(self, picture: CorrectedPicture) -> None:
        """Write a picture."""
        for name, source, boxes in picture.confirmed:
            head = (picture.path, picture.id, safe_cell(name), CONFIRMED, source)
            for box in boxes:
                self._csv.writerow((*head, *(repr(box[side]) for side in SIDES)))
            if not boxes:
                self._csv.writerow((*head, *[""] * len(SIDES)))
        for name in picture.rejected:
            row = (picture.path, picture.id, safe_cell(name), REJECTED, "")
            self._csv.writerow((*row, *[""] * len(SIDES)))

    def close(self) -> None:
        """Do nothing: every record is written."""


class CocoSet:
    """Writes COCO (cocodataset.org, "Data format", Object Detection) once it is closed.

    COCO has no labels of whole pictures. So an image has `category_ids`, all its confirmed labels,
    and `neg_category_ids`, as LVIS names what is known to be absent. Boxes are in pixels.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._categories: dict[str, tuple[int, str]] = {}

    def write(self, picture: CorrectedPicture) -> None:
        """Collect a picture."""
        number = len(self._images) + 1
        wide, high = picture.width or 0, picture.height or 0
        categories = [self._category(name) for name, _, _ in picture.confirmed]
        self._images.append(
            {
                "id": number,
                "file_name": picture.path,
                "width": wide,
                "height": high,
                "category_ids": categories,
                "neg_category_ids": [self._category(name) for name in picture.rejected],
            }
        )
        for category, (_, source, boxes) in zip(categories, picture.confirmed, strict=True):
            for box in boxes:
                size = (box["width"] * wide, box["height"] * high)
                self._annotations.append(
                    {
                        "id": len(self._annotations) + 1,
                        "image_id": number,
                        "category_id": category,
                        "bbox": [box["left"] * wide, box["top"] * high, *size],
                        "area": size[0] * size[1],
                        "iscrowd": 0,
                        "source": source,
                    }
                )

    def close(self) -> None:
        """Write the file."""
        json.dump(
            {
                "images": self._images,
                "annotations": self._annotations,
                "categories": [
                    {"id": number, "name": name} for number, name in self._categories.values()
                ],
            },
            self._file,
            ensure_ascii=False,
        )
        self._file.write("\n")

    def _category(self, name: str) -> int:
        """Return the number of a label; names that differ by case are one."""
        return self._categories.setdefault(name.casefold(), (len(self._categories) + 1, name))[0]


def set_writer(kind: str, file: TextIO) -> CsvSet | CocoSet:
    """Return the writer of a format (coco, csv)."""
    return CsvSet(file) if kind == "csv" else CocoSet(file)
