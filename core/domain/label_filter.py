"""Which blobs are wanted by several of their labels. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.domain.blob import Blob


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """Which blobs to list by their labels, whose names are compared case aside.

    A blob must carry all of `all`, one of `any` if that names some, and none of `none`. A label
    less sure than `min_confidence` (0 to 100) is not carried.
    """

    all: tuple[str, ...] = ()
    any: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    min_confidence: float = 0.0

    def matches(self, blob: Blob) -> bool:
        """Tell whether a blob is one of those."""
        sure = {label.name.casefold(): label.confidence for label in blob.labels or ()}
        carried = {name for name, each in sure.items() if each >= self.min_confidence}
        return (
            carried.issuperset(fold_names(self.all))
            and (not self.any or not carried.isdisjoint(fold_names(self.any)))
            and carried.isdisjoint(fold_names(self.none))
        )


def fold_names(names: Iterable[str]) -> list[str]:
    """Return names as they are compared, each once, in order."""
    return sorted({name.casefold() for name in names})
