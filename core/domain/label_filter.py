"""Filters of blobs and of events by several labels. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from core.domain.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from core.domain.blob import Blob
    from core.domain.label import Label

MAX_LABELS: Final = 10  # named in one filter
MAX_CONFIDENCE: Final = 100


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """A filter of blobs by their labels. Names are compared without regard to case.

    A blob matches if it has every label of `all`, at least one of `any` unless that is empty, and
    none of `none`. Labels below `min_confidence` (0 to 100) do not count. With `confirmed`, only
    labels count that the owner added or confirmed, or only the others; a filter without names then
    matches blobs of which any label is confirmed, or which have labels and none of them is. With
    `found`, a blob must have a label, or must be labelled and have none.
    """

    all: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    min_confidence: float = 0.0
    confirmed: bool | None = field(default=None, repr=False)  # cursors contain the rest
    found: bool | None = field(default=None, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether every blob matches."""
        return not self.names and not self.examines_labels

    @property
    def examines_labels(self) -> bool:
        """Whether it asks for more than names and confidences of labels."""
        return self.confirmed is not None or self.found is not None

    @property
    def requires_labels(self) -> bool:
        """Whether only blobs match that have been labelled."""
        if self.all or self.any or self.found is not None:
            return True
        return self.confirmed is not None and not self.none

    @property
    def names(self) -> tuple[str, ...]:
        """The names in it, each once, in order."""
        return tuple(dict.fromkeys((*self.all, *self.any, *self.none)))

    def renamed(self, rename: Callable[[str], str]) -> LabelFilter:
        """Return the filter with other names."""
        every, either, none = (
            tuple(map(rename, names)) for names in (self.all, self.any, self.none)
        )
        return replace(self, all=every, any=either, none=none)

    def matches(self, blob: Blob) -> bool:
        """Tell whether a blob matches."""
        return self.accepts(blob.labels)

    def accepts(self, labels: Collection[Label] | None) -> bool:
        """Tell whether a blob with these labels matches; None: it has none."""
        if self.is_empty:
            return True
        if self.found is not None and (labels is None or self.found is not bool(labels)):
            return False
        if not self.names:
            confirmed = any(label.confirmed_at for label in labels or ())
            return labels is not None and self.confirmed in (None, confirmed)
        carried = {
            label.name.casefold()
            for label in labels or ()
            if label.confidence >= self.min_confidence
            and self.confirmed in (None, label.confirmed_at is not None)
        }
        return (
            carried.issuperset(fold_names(self.all))
            and (not self.any or not carried.isdisjoint(fold_names(self.any)))
            and carried.isdisjoint(fold_names(self.none))
        )


NO_LABELS: Final = LabelFilter()


def check_label_filter(labels: LabelFilter) -> None:
    """Refuse a filter that names too many labels, or has a confidence that means nothing.

    Raises:
        InvalidValue: the message tells what to change.

    """
    named = len(fold_names((*labels.all, *labels.any, *labels.none)))
    least = labels.min_confidence
    if named > MAX_LABELS:
        raise _refused("labels", f"name at most {MAX_LABELS} labels, not {named}")
    if not 0 <= least <= MAX_CONFIDENCE:
        raise _refused("minConfidence", f"must be from 0 to 100, not {least:g}", "labels")
    if least > 0 and not named:
        raise _refused(
            "minConfidence",
            "applies to the labels that are named: name one in all, any or none",
            "labels",
        )


def _refused(field: str, message: str, *parents: str) -> InvalidValue:
    return InvalidValue(field, message, ("filter", *parents, field))


def simplify(labels: LabelFilter) -> LabelFilter:
    """Return an equivalent filter, with folded names, and without names that decide nothing."""
    if labels.is_empty:
        return labels
    every, none = fold_names(labels.all), fold_names(labels.none)
    either = [name for name in fold_names(labels.any) if name not in none]
    if set(every) & set(either):
        either = []
    return replace(labels, all=tuple(every), any=tuple(either), none=tuple(none))


def is_contradictory(labels: LabelFilter) -> bool:
    """Tell whether no blob can match a filter, because it excludes what it requires."""
    excluded = set(fold_names(labels.none))
    return bool(excluded.intersection(fold_names(labels.all))) or (
        bool(labels.any) and excluded.issuperset(fold_names(labels.any))
    )


def confidences_of(blob: Blob) -> dict[str, float]:
    """Return the confidences of a blob's labels by their case-folded names."""
    return {label.name.casefold(): label.confidence for label in blob.labels or ()}


def fold_names(names: Iterable[str]) -> list[str]:
    """Return the case-folded names, sorted and without duplicates."""
    return sorted({name.casefold() for name in names})
