"""Changes of blobs, as the change feed reports them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domain.deletion import listed_labels

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.blob import Blob


@dataclass(frozen=True, slots=True)
class Change:
    """One write of one blob. `old` is None when it was created, `new` when it was deleted."""

    old: Blob | None
    new: Blob | None

    @property
    def finished(self) -> Blob | None:
        """The blob, if this write made it LABELLED or FAILED; else None."""
        if self.new is None or not self.new.finished:
            return None
        if self.old is not None and self.old.finished and _ended_alike(self.old, self.new):
            return None
        return self.new

    @property
    def edited(self) -> Blob | None:
        """The blob, if this write was an edit by its owner; else None."""
        return self.new if self.edit_time else None

    @property
    def edit_time(self) -> datetime | None:
        """When the owner made the edit that this write is; None: it is none."""
        old, new = self.old, self.new
        if old is None or new is None:
            return None
        if new.deletion_set_at != old.deletion_set_at:
            return new.deletion_set_at
        if new.facts_set_at != old.facts_set_at:
            return new.facts_set_at
        return None if new.edited_at == old.edited_at else new.edited_at

    @property
    def labels_changed(self) -> bool:
        """Whether the set of the label names to be counted changed."""
        return label_names(self.old) != label_names(self.new)


def _ended_alike(old: Blob, new: Blob) -> bool:
    return old.version == new.version or new.edits > 0


def label_names(blob: Blob | None) -> frozenset[str]:
    """Return the names of a blob's labels that are counted."""
    return frozenset(label.name for label in listed_labels(blob)) if blob else frozenset()
