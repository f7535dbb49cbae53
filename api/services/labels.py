"""Labels in use, found by what people call them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from core.domain.blob_list import BlobFilter, BlobOrder, plan_blob_list
from core.domain.errors import InvalidValue
from core.domain.label_filter import MAX_CONFIDENCE, LabelFilter, confidences_of
from core.domain.label_names import first_in_use, fold_name, labels_by_word, possible_labels
from core.domain.pagination import Page
from core.repositories.ports.blobs import LabelSummary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from core.domain.blob import Blob
    from core.domain.pagination import Position
    from core.repositories.ports.blobs import BlobRepository


class LabelOrder(StrEnum):
    """The order of blobs with a label: newest first, or most confident first (ties newest)."""

    NEWEST = "NEWEST"
    CONFIDENCE = "CONFIDENCE"


@dataclass(frozen=True, slots=True)
class LabelledBlob:
    """A blob found by a label, with that label's confidence (0 to 100)."""

    blob: Blob
    confidence: float

    @property
    def position(self) -> tuple[float, str]:
        """Its place in either order: its confidence and id."""
        return self.confidence, self.blob.id


def find_by_label(
    blobs: BlobRepository,
    owner: str,
    label: str,
    *,
    min_confidence: float = 0,
    order: LabelOrder = LabelOrder.NEWEST,
    first: int,
    after: Position | None = None,
) -> Page[LabelledBlob]:
    """List an owner's blobs with a label, ignoring case, starting behind (confidence, id).

    Raises:
        InvalidValue: the confidence is not from 0 to 100.

    """
    if not 0 <= min_confidence <= MAX_CONFIDENCE:
        raise InvalidValue("minConfidence", f"must be from 0 to 100, not {min_confidence:g}")
    labels = LabelFilter(all=(label,), min_confidence=float(min_confidence))
    plan = plan_blob_list(BlobFilter(labels=labels), BlobOrder(order.value))
    parts = len(plan.position_types)
    page = blobs.find_page(owner, plan, first=first, after=after and after[-parts:])
    while plan.exact and not page.items and page.has_next:  # those entries are outdated
        page = blobs.find_page(owner, plan, first=first, after=page.reached)
    folded = label.casefold()
    items = tuple(LabelledBlob(blob, confidences_of(blob)[folded]) for blob in page.items)
    reached = page.reached and (0.0, page.reached[-1])
    return Page(items, page.has_next, reached)


def resolve_labels(
    blobs: BlobRepository, owner: str, names: Collection[str]
) -> Mapping[str, LabelSummary]:
    """Return the label that each name means, by name; a name that means none is left out.

    The label in use of that very name wins; then what the owner's vocabulary says, which may be a
    label that no blob has; then another label in use.
    """
    vocabulary = blobs.vocabularies.find(owner)
    own = {name: each for name in names if (each := vocabulary.find(name))}
    wanted = {*map(fold_name, names), *(each.folded for each in own.values())}
    found = dict(blobs.find_label_summaries(owner, wanted))
    others = [name for name in names if fold_name(name) not in found and name not in own]
    if others:
        possible = {label for name in others for label in possible_labels(name)}
        found |= blobs.find_label_summaries(owner, possible)

    def meant(name: str) -> LabelSummary | None:
        if fold_name(name) in found:
            return found[fold_name(name)]
        if definition := own.get(name):
            return found.get(definition.folded) or LabelSummary(definition.name, 0)
        label = first_in_use(name, found)
        return None if label is None else found[label]

    return {name: summary for name in names if (summary := meant(name))}


def find_labels_by_word(
    blobs: BlobRepository, owner: str, prefix: str
) -> Mapping[str, tuple[str | None, LabelSummary]]:
    """Return labels that a prefix finds besides those in use whose names start with it.

    They are labels in use of which another word starts with it, and those of the owner's
    vocabulary. Each, by folded name, has that word, if it is another one, and its summary.
    """
    words = labels_by_word(prefix)
    own = blobs.vocabularies.find(owner).starting_with(prefix)
    in_use = blobs.find_label_summaries(owner, {*words, *own}) if words or own else {}
    found: dict[str, tuple[str | None, LabelSummary]] = {
        label: (word, in_use[label]) for label, word in words.items() if label in in_use
    }
    for label, (alias, definition) in own.items():
        if alias is not None or label not in in_use:
            found[label] = (alias, in_use.get(label) or LabelSummary(definition.name, 0))
    return found


def merge_labels(
    page: Page[LabelSummary],
    others: Iterable[LabelSummary],
    first: int,
    rank: Callable[[LabelSummary], tuple[object, ...]],
    after: tuple[object, ...] | None,
) -> Page[LabelSummary]:
    """Return a page with the labels that belong to it besides those of its own list.

    `rank` orders the list; the page starts behind the rank `after`.
    """
    behind = [each for each in others if after is None or rank(each) > after]
    items = sorted([*page.items, *behind], key=rank)
    return Page(tuple(items[:first]), page.has_next or len(items) > first)
