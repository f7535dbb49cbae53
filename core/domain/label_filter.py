"""Filters of blobs by several labels. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.domain.blob import Blob
    from core.domain.label import Label


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """A filter of blobs by their labels. Names are compared without regard to case.

    A blob matches if it has every label of `all`, at least one of `any` unless that is empty, and
    none of `none`. Labels below `min_confidence` (0 to 100) do not count.
    """

    all: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    min_confidence: float = 0.0

    def matches(self, blob: Blob) -> bool:
        """Tell whether a blob matches."""
        return self.accepts(blob.labels or ())

    def accepts(self, labels: Iterable[Label]) -> bool:
        """Tell whether a blob with these labels matches."""
        sure = {label.name.casefold(): label.confidence for label in labels}
        carried = {name for name, each in sure.items() if each >= self.min_confidence}
        return (
            carried.issuperset(fold_names(self.all))
            and (not self.any or not carried.isdisjoint(fold_names(self.any)))
            and carried.isdisjoint(fold_names(self.none))
        )


def fold_names(names: Iterable[str]) -> list[str]:
    """Return the case-folded names, sorted and without duplicates."""
    return sorted({name.casefold() for name in names})
