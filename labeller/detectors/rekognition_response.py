"""Labels of a response of Amazon Rekognition's DetectLabels. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.domain.label import BoundingBox, Instance, Label

if TYPE_CHECKING:
    from collections.abc import Mapping


def labels_in(
    response: Mapping[str, Any],
    area: BoundingBox,
    *,
    max_labels: int,
    min_confidence: float,
) -> tuple[Label, ...]:
    """Return the labels of a DetectLabels response, most confident first, ties by name.

    `area` is the part of the analysed image that the picture fills. Boxes become shares of it, and
    those outside it are dropped.
    """
    labels = [_label(entry, area) for entry in response.get("Labels", ())]
    found: dict[str, Label] = {}
    for label in sorted(labels, key=lambda label: (-label.confidence, label.name)):
        if label.confidence >= min_confidence:
            found.setdefault(label.name.casefold(), label)
    return tuple(found.values())[:max_labels]


def _label(entry: Mapping[str, Any], area: BoundingBox) -> Label:
    return Label(
        name=entry["Name"],
        confidence=_per_cent(entry["Confidence"]),
        parents=_names(entry, "Parents"),
        instances=tuple(
            Instance(box, _per_cent(instance.get("Confidence", entry["Confidence"])))
            for instance in entry.get("Instances", ())
            if (box := _box_within(area, instance["BoundingBox"]))
        ),
        aliases=_names(entry, "Aliases"),
        categories=_names(entry, "Categories"),
    )


def _names(entry: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    return tuple(each["Name"] for each in entry.get(kind, ()))


def _per_cent(confidence: float) -> float:
    return min(max(float(confidence), 0.0), 100.0)


def _box_within(area: BoundingBox, box: Mapping[str, float]) -> BoundingBox | None:
    """Return a box as shares of an area, cropped to it, or None outside it.

    Rekognition's boxes may reach beyond the image's edges.
    """
    left, right = _shares(box["Left"], box["Width"], area.left, area.width)
    top, bottom = _shares(box["Top"], box["Height"], area.top, area.height)
    if right <= left or bottom <= top:
        return None
    return BoundingBox(left, top, right - left, bottom - top)


def _shares(start: float, length: float, origin: float, whole: float) -> tuple[float, float]:
    """Return start and end as shares of a length `whole` from `origin`, within 0 to 1."""
    ends = ((start - origin) / whole, (start + length - origin) / whole)
    return min(max(ends[0], 0.0), 1.0), min(max(ends[1], 0.0), 1.0)
