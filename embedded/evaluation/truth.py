"""Evaluation of a detector against labels that a person gave to pictures. Pure.

A picture's confident labels count if none of their children is confident. One of them is right if
it, or an ancestor of it, is among the person's labels, general if it is an ancestor of one of
these, and wrong otherwise.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from core.domain.label import Label


class TruthUnreadable(LabellingError):
    """The file of right labels has a line that can't be used."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A confident label that is wrong. `confidence` is 0 to 100."""

    picture: str
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result for a set of pictures.

    Each picture is counted once: wrong if it has a wrong label, else right, general or nothing.
    `precision` is the share of the labels that count that are right, `recall` that of the person's
    labels that are found; None if there are none. Mistakes are in order of confidence, highest
    first; `missed` has the labels that are most often missing, with their numbers.
    """

    pictures: int
    right: int
    general: int
    wrong: int
    nothing: int
    precision: float | None
    recall: float | None
    mistakes: tuple[Mistake, ...]
    missed: tuple[tuple[str, int], ...]


def read_truth(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the right labels of each picture: lines of `file<TAB>Label;Label`.

    Empty lines and lines that begin with # are left out.

    Raises:
        TruthUnreadable: a line has no labels, or a file is there twice.

    """
    truth: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, joined = line.rstrip("\r\n").partition("\t")
        labels = tuple(label.strip() for label in joined.split(";") if label.strip())
        if not labels:
            raise TruthUnreadable(f"Line {number} has no labels. Write file<TAB>Label;Label.")
        if name in truth:
            raise TruthUnreadable(f"Line {number}: {name} is there twice. Remove one line.")
        truth[name] = labels
    if not truth:
        raise TruthUnreadable("The file names no picture. Write lines of file<TAB>Label;Label.")
    return truth


def compare(
    truth: Mapping[str, Sequence[str]],
    found: Mapping[str, Sequence[Label]],
    min_confidence: float,
) -> Evaluation:
    """Compare the labels `found` in each picture with its right ones, whose case is ignored.

    `found` needs the labels of all confidences, which tell the ancestors of the right ones.
    """
    ancestors = {
        label.name.casefold(): frozenset(map(str.casefold, label.parents))
        for labels in found.values()
        for label in labels
    }
    verdicts: Counter[str] = Counter()
    labels_of: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    mistakes = []
    for picture, names in truth.items():
        confident = [label for label in found[picture] if label.confidence >= min_confidence]
        expected = {name.casefold() for name in names}
        general = frozenset().union(*(ancestors.get(name, frozenset()) for name in expected))
        kinds = {label: _verdict(label, expected, general) for label in _leaves(confident)}
        labels_of.update(kinds.values())
        of_picture = next(
            (each for each in ("wrong", "right", "general") if each in kinds.values()), ""
        )
        verdicts[of_picture or "nothing"] += 1
        mistakes += [
            Mistake(picture, label.name, label.confidence)
            for label, kind in kinds.items()
            if kind == "wrong"
        ]
        seen = {label.name.casefold() for label in confident}
        missed.update(name for name in names if name.casefold() not in seen)
    judged = sum(labels_of.values())
    asked = sum(map(len, truth.values()))
    return Evaluation(
        len(truth),
        right=verdicts["right"],
        general=verdicts["general"],
        wrong=verdicts["wrong"],
        nothing=verdicts["nothing"],
        precision=labels_of["right"] / judged if judged else None,
        recall=1 - missed.total() / asked if asked else None,
        mistakes=tuple(sorted(mistakes, key=lambda each: (-each.confidence, each.picture))),
        missed=tuple(sorted(missed.items(), key=lambda each: (-each[1], each[0]))),
    )


def _leaves(labels: Sequence[Label]) -> list[Label]:
    """Return the labels that are no other one's parent."""
    parents = {parent for label in labels for parent in label.parents}
    return [label for label in labels if label.name not in parents]


def _verdict(label: Label, expected: set[str], general: frozenset[str]) -> str:
    names = {label.name.casefold(), *map(str.casefold, label.parents)}
    if names & expected:
        return "right"
    return "general" if label.name.casefold() in general else "wrong"
