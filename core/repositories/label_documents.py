"""Labels and decisions about them as documents: JSON objects. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import from_text, to_text
from core.domain.corrections import Decision, DecisionKind
from core.domain.label import BoundingBox, Instance, Label, LabelSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Document = dict[str, Any]

_SOURCES: Final = {each.value: each for each in LabelSource}


def label_to_document(label: Label) -> Document:
    """Return a label as a document, without empty lists."""
    document: Document = {"name": label.name, "confidence": label.confidence}
    if label.parents:
        document["parents"] = list(label.parents)
    if label.instances:
        document["instances"] = [_instance_to_document(found) for found in label.instances]
    if label.aliases:
        document["aliases"] = list(label.aliases)
    if label.categories:
        document["categories"] = list(label.categories)
    if label.source is not LabelSource.DETECTOR:
        document["source"] = label.source.value
    if label.confirmed_at is not None:
        document["confirmed_at"] = to_text(label.confirmed_at)
    return document


def label_from_document(document: Mapping[str, Any]) -> Label:
    """Return the label of a document made by `label_to_document`."""
    name, confidence = document["name"], float(document["confidence"])
    instances = document.get("instances", ())
    confirmed_at = document.get("confirmed_at")
    return Label(
        name,
        confidence,
        tuple(document.get("parents", ())),
        tuple(map(_instance_from_document, instances)) if instances else (),
        tuple(document.get("aliases", ())),
        tuple(document.get("categories", ())),
        _SOURCES[document["source"]] if "source" in document else LabelSource.DETECTOR,
        confirmed_at and from_text(confirmed_at),
    )


def detected_to_document(
    detected: Sequence[Label], labels: Sequence[Label]
) -> list[int | Document]:
    """Return what a detector found; of what is among the labels, the place there.

    Most labels are, so a page of corrected blobs is read almost as fast as any other.
    """
    places = {label.name: place for place, label in enumerate(labels)}
    return [
        place
        if (place := places.get(each.name)) is not None and labels[place] == each
        else label_to_document(each)
        for each in detected
    ]


def detected_from_document(document: Sequence[Any], labels: Sequence[Label]) -> tuple[Label, ...]:
    """Return what a detector found from a document made by `detected_to_document`."""
    return tuple(
        labels[each] if isinstance(each, int) else label_from_document(each) for each in document
    )


def decision_to_document(decision: Decision) -> Document:
    """Return an owner's decision as a document."""
    return {
        "kind": decision.kind.value,
        "label": label_to_document(decision.label),
        "at": to_text(decision.at),
        "by": decision.by,
    }


def decision_from_document(document: Mapping[str, Any]) -> Decision:
    """Return the decision of a document made by `decision_to_document`."""
    return Decision(
        DecisionKind(document["kind"]),
        label_from_document(document["label"]),
        from_text(document["at"]),
        document["by"],
    )


def _instance_to_document(instance: Instance) -> Document:
    box = instance.bounding_box
    return {
        "left": box.left,
        "top": box.top,
        "width": box.width,
        "height": box.height,
        "confidence": instance.confidence,
    }


def _instance_from_document(document: Mapping[str, Any]) -> Instance:
    box = BoundingBox(*(float(document[side]) for side in ("left", "top", "width", "height")))
    return Instance(box, float(document["confidence"]))
