"""How often a detector was right about each label, by the decisions of the pictures' owner. Pure.

Only labels that the owner decided about count: one that the detector found is right if the owner
confirmed or added it, and wrong if the owner removed it. One that the owner added or confirmed and
the detector did not find is missed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

# The number of decisions about found labels from which a least confidence is suggested.
MIN_DECISIONS: Final = 5
_ABOVE_ALL: Final = 101.0


@dataclass(frozen=True, slots=True)
class DecidedPicture:
    """What a detector found in a picture, names with confidences, and what the owner decided.

    The names of decisions are folded, and so are those that were found.
    """

    found: Mapping[str, float]
    confirmed: AbstractSet[str]
    rejected: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class LabelEvaluation:
    """The result for one label: in how many pictures the detector was right, wrong, or missed it.

    With the least confidence `suggested`, the fewest decisions would be contradicted: wrong labels
    shown, and right ones hidden. It is above 100 where the label is best hidden; None where every
    label that was found is best shown, or there are too few decisions to tell.
    """

    name: str
    right: int
    wrong: int
    missed: int
    suggested: float | None

    @property
    def precision(self) -> float | None:
        """The share of found labels that are right; None if none was found."""
        found = self.right + self.wrong
        return self.right / found if found else None

    @property
    def hides(self) -> bool:
        """Whether the label is best hidden."""
        return self.suggested == _ABOVE_ALL


@dataclass(slots=True)
class _Decisions:
    right: list[float] = field(default_factory=list)
    wrong: list[float] = field(default_factory=list)
    missed: int = 0


def evaluate_labels(
    pictures: Iterable[DecidedPicture], names: Mapping[str, str]
) -> tuple[LabelEvaluation, ...]:
    """Return the result of each label that was decided about, those with most decisions first.

    `names` has the labels' names by their folded names; it may be filled while `pictures` is read.
    """
    by_label: defaultdict[str, _Decisions] = defaultdict(_Decisions)
    for picture in pictures:
        for label in picture.confirmed:
            if label in picture.found:
                by_label[label].right.append(picture.found[label])
            else:
                by_label[label].missed += 1
        for label in picture.rejected & picture.found.keys():
            by_label[label].wrong.append(picture.found[label])
    results = [
        LabelEvaluation(
            names.get(label, label),
            len(each.right),
            len(each.wrong),
            each.missed,
            least_confidence(each.right, each.wrong),
        )
        for label, each in by_label.items()
    ]
    return tuple(
        sorted(results, key=lambda each: (-each.right - each.wrong - each.missed, each.name))
    )


def least_confidence(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """Return the least confidence by which the fewest decisions are contradicted.

    It is half way between the labels that it hides and those that it shows, and the lowest of those
    that are equally good. None: nothing is to be hidden, or there are too few decisions.
    """
    if len(right) + len(wrong) < MIN_DECISIONS:
        return None
    found = sorted({*right, *wrong})

    def contradicted(shown_from: float) -> int:
        return sum(each < shown_from for each in right) + sum(each >= shown_from for each in wrong)

    best = min([*found, _ABOVE_ALL], key=contradicted)
    if best == found[0]:
        return None
    if best == _ABOVE_ALL:
        return _ABOVE_ALL
    return round((found[found.index(best) - 1] + best) / 2, 1)
