"""The TOML file that describes an ONNX classifier, and the file of its labels.

docs/detectors.md describes each key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from labeller.detectors.network_input import NetworkInput, read_input
from labeller.detectors.onnx_session import ModelUnusable
from labeller.detectors.taxonomy import Taxonomy
from labeller.detectors.toml_table import read_toml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from labeller.detectors.toml_table import Table

NO_LABEL: Final = "-"  # a class of a network that finds objects, whose boxes are left out
MAX_LABEL: Final = 100  # characters of a label, which people read and search


@dataclass(frozen=True, slots=True)
class Classifier:
    """A classifier as described by `file`."""

    file: Path
    name: str
    version: str
    model: Path
    labels: Path
    input: NetworkInput
    activation: str
    temperature: float


def read_classifier(file: Path, top: Table | None = None) -> Classifier:
    """Read a classifier's file. Raises ModelUnusable, which names the key and the remedy."""
    top = top or read_toml(file)
    top.choice("type", ["classifier"])
    given, output = top.table("input"), top.table("output")
    classifier = Classifier(
        file=file,
        name=top.name("name"),
        version=top.name("version"),
        model=top.path("model"),
        labels=top.path("labels"),
        input=read_input(given),
        activation=output.choice("activation", ["softmax", "sigmoid", "none"]),
        temperature=output.number("temperature", 1),
    )
    for table in (top, given, output):
        table.refuse_unknown_keys()
    if output.has("temperature") and classifier.activation == "none":
        output.refuse("temperature", "is for logits, which softmax or sigmoid take: leave it out")
    top.require_files("model", "labels")
    return classifier


class Classes(NamedTuple):
    """The labels of a network's classes in its order, and each label's parents."""

    names: list[str]
    parents: dict[str, tuple[str, ...]]


def read_labels(file: Path) -> Taxonomy:
    """Read the taxonomy of a labels file. Raises ModelUnusable, as `read_classes`."""
    return Taxonomy.build(*read_classes(file))


def read_classes(file: Path) -> Classes:
    """Read the labels, one class per line: Name, or Name<TAB>Parent;Grandparent.

    Raises:
        ModelUnusable: the file can't be read, or a line has another form.

    """
    return parse_classes(file, read_lines(file))


def read_lines(file: Path) -> list[str]:
    """Return the lines of a labels file. Raises ModelUnusable."""
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as exc:
        raise ModelUnusable(f"The labels {file} can't be read: {exc}. Save them as UTF-8.") from exc


def parse_classes(file: Path, lines: Sequence[str]) -> Classes:
    """Return the classes of a labels file's lines. Raises ModelUnusable, which names the file."""
    classes: list[str] = []
    parents: dict[str, dict[str, None]] = {}
    spelled: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, *rest = line.split("\t")
        chain = [name, *rest[0].split(";")] if rest else [name]
        if len(rest) > 1 or not all(_is_label(each) for each in chain):
            raise ModelUnusable(
                f"{file}, line {number}: {line!r} is not a label. Write a name, or a name, a tab "
                f"and its parents separated by ';', nearest first. Names have 1 to {MAX_LABEL} "
                "characters; empty lines are not allowed."
            )
        classes.append(name)
        for each in chain:
            if (known := spelled.setdefault(each.casefold(), each)) != each:
                raise ModelUnusable(
                    f"{file}, line {number}: {each!r} is spelt {known!r} above. Spell both alike."
                )
        for child, parent in zip(chain, [*chain[1:], None], strict=True):
            above = parents.setdefault(child, {})
            if parent is not None:
                above[parent] = None
    found = Classes(classes, {name: tuple(above) for name, above in parents.items()})
    for label in Taxonomy.build(*found).labels:
        if label.name in label.parents:
            raise ModelUnusable(f"{file}: {label.name!r} is its own ancestor. Correct its parents.")
    return found


def _is_label(name: str) -> bool:
    return 0 < len(name) <= MAX_LABEL and name.isprintable() and name == name.strip()
