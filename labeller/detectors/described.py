"""The detector `onnx`: the service's own networks, or those that a TOML file describes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from labeller.detectors import box_file, merged, zero_shot
from labeller.detectors.box_detector import open_box_detector
from labeller.detectors.classifier import open_classifier
from labeller.detectors.onnx import open_detector
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.people import open_people_finder
from labeller.detectors.text_network import read_text_network
from labeller.detectors.toml_table import read_toml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from labeller.detectors.base import Detector, Options
    from labeller.detectors.people import PeopleFinder
    from labeller.detectors.text_network import TextNetwork
    from labeller.detectors.toml_table import Table

_OPENERS: Final[dict[str, Callable[..., Detector]]] = {
    "classifier": open_classifier,
    box_file.TYPE: open_box_detector,
    zero_shot.TYPE: zero_shot.open_zero_shot,
}


def make(options: Options) -> Detector:
    """Create the detector `onnx`. Raises ModelUnusable."""
    people = open_people_finder(options.people_model) if options.faces else None
    if not options.classifier:
        return _open_own(options.model, max_pixels=options.max_pixels, people=people)
    return open_described(
        options.classifier, max_pixels=options.max_pixels, people=people, own=options.model
    )


def open_described(
    file: Path, *, max_pixels: int, people: PeopleFinder | None = None, own: Path | None = None
) -> Detector:
    """Load the network that a file describes, of any type, or the networks.

    `own` is the model of the classifier that comes with the service. Raises ModelUnusable.
    """
    top = read_toml(file)
    kind = top.choice("type", [*_OPENERS, merged.TYPE])
    if kind == merged.TYPE:
        return _open_merged(file, top, max_pixels=max_pixels, people=people, own=own)
    return _OPENERS[kind](file, top, max_pixels=max_pixels, people=people)


def find_text_network(file: Path) -> TextNetwork | None:
    """Return the text encoder by which pictures that a file's network labels can be searched.

    Of several networks it belongs to the first one that makes embeddings: theirs are stored.
    Raises ModelUnusable, also if a later one has a text encoder, which would never be used.
    """
    top = read_toml(file)
    kind = top.choice("type", [*_OPENERS, merged.TYPE])
    if kind != merged.TYPE:
        return read_text_network(file, top) if kind == zero_shot.TYPE else None
    texts: dict[str, TextNetwork | None] = {}  # of each network that makes embeddings
    for each in top.texts("networks"):
        path = file.parent / each
        if each == merged.DEFAULT:
            texts[each] = None
        elif (described := read_toml(path)).choice("type", list(_OPENERS)) == zero_shot.TYPE:
            texts[each] = read_text_network(path, described)
    first = next(iter(texts), "")
    for each, text in texts.items():
        if text and each != first:
            top.refuse("networks", f"lists {first} before {each}: list {each} first to search it")
    return texts.get(first)


def _open_own(
    model: Path | None, *, max_pixels: int, people: PeopleFinder | None = None
) -> Detector:
    if model is None:
        raise ModelUnusable("The detector onnx has no model. Give it a --classifier.")
    return open_detector(model, max_pixels=max_pixels, people=people)


def _open_merged(
    file: Path, top: Table, *, max_pixels: int, people: PeopleFinder | None, own: Path | None
) -> Detector:
    """Load all networks that a file lists. The first one also finds people."""
    name = f"{top.name('name')}/{top.name('version')}" + (f"+{people.name}" if people else "")
    networks = top.texts("networks")
    overlap = top.number("overlap", merged.OVERLAP, most=1)
    top.refuse_unknown_keys()
    detectors: list[Detector] = []
    for each in networks:
        finder = None if detectors else people
        if each == merged.DEFAULT:
            detectors.append(_open_own(own, max_pixels=max_pixels, people=finder))
            continue
        path = file.parent / each
        described = read_toml(path)
        kind = described.choice("type", list(_OPENERS))
        detectors.append(_OPENERS[kind](path, described, max_pixels=max_pixels, people=finder))
    return merged.MergedDetector(name, detectors, overlap)
