"""Lists of an owner's blobs: which index a list walks, and what it checks on the way. Pure.

A list never reads all blobs. Its plan names an index of the store; the store walks it in the order
of the list, from the position where the page starts, and checks the conditions that the index
cannot answer on each entry. A page examines at most `most_examined` entries: where few match, it
ends there, with fewer items than requested, and tells where the next page starts.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final

from core.domain.blob import CAN_HAVE_LABELS, BlobStatus
from core.domain.clock import ulid_floor
from core.domain.facts import NO_CONDITIONS, FactsFilter, indexed_name, pair_name
from core.domain.label_filter import (
    NO_LABELS,
    LabelFilter,
    check_label_filter,
    confidences_of,
    is_contradictory,
    simplify,
)
from core.domain.list_orders import check_order
from core.domain.short_filters import remember_short

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from core.domain.blob import Blob, ImageType
    from core.domain.pagination import Position

MAX_EXAMINED: Final = 1000  # entries of an index, for one page
LAST_ID: Final = "\U0010ffff"  # greater than every id

_STATUSES: Final = tuple(BlobStatus)

_Lists = tuple[str, ...]


class BlobOrder(StrEnum):
    """The order of a list: by creation, by the confidence of a label, or by the name of the file.

    Equal confidences come newest first, equal names oldest first.
    """

    NEWEST = "NEWEST"
    OLDEST = "OLDEST"
    CONFIDENCE = "CONFIDENCE"
    FILE_NAME = "FILE_NAME"


@dataclass(frozen=True, slots=True)
class BlobFilter:
    """A filter of blobs. Empty conditions match all; times are [after, before).

    `sha256` is that of the uploaded bytes, in base64, or the declared one before the upload.
    """

    statuses: tuple[BlobStatus, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    sha256: str | None = None
    labels: LabelFilter = NO_LABELS
    facts: FactsFilter = field(default=NO_CONDITIONS, repr=False)
    content_types: tuple[ImageType, ...] = field(default=(), repr=False)


class BlobIndex(Enum):
    """The indexes of a store. Each holds lists, of one owner's blobs each."""

    OWNER = "one list of all blobs, by id"
    STATUS = "a list for each status, by id"
    DIGEST = "a list for each SHA-256, by id"
    LABEL = "a list for each label, by id"
    CONFIDENCE = "a list for each label, by confidence and id"
    NAME = "one list of the blobs with a file name, by that and id"
    EXTERNAL_ID = "a list of one blob for each external id"
    METADATA = "a list for each pair of metadata, by id"


@dataclass(frozen=True, slots=True)
class BlobListPlan:
    """How to read a list.

    `choices` are alternatives: sets of lists of `index`, each of which contains all blobs of the
    list. A store walks the shortest, merges its lists, and drops entries that do not match
    `wanted`, or whose id is not in [low, high). Without alternatives no blob can match. `name`
    is that of the list: a position belongs to one list.
    """

    wanted: BlobFilter
    order: BlobOrder
    index: BlobIndex
    choices: tuple[_Lists, ...]
    low: str
    high: str
    name: str

    @property
    def counted_labels(self) -> _Lists:
        """The labels whose numbers of blobs decide which alternative is the shortest."""
        if len(self.choices) <= 1:
            return ()
        return tuple(sorted({name for lists in self.choices for name in lists}))

    def shortest(self, counts: Mapping[str, int]) -> _Lists:
        """Return the lists to walk, given the numbers of blobs of `counted_labels`."""
        return min(
            self.choices, key=lambda lists: sum(counts.get(name, 0) for name in lists), default=()
        )

    @property
    def checked_statuses(self) -> tuple[BlobStatus, ...]:
        """The statuses of which an entry must have one, where the index does not tell."""
        return () if self.index is BlobIndex.STATUS else self.wanted.statuses

    @property
    def exact(self) -> bool:
        """Whether each entry of the index is an item of the list, so that none is checked."""
        labels = self.wanted.labels
        checked = self.checked_metadata or self.checked_sha256 or self.wanted.content_types
        if checked or labels.examines_labels:
            return False
        match self.index:
            case BlobIndex.NAME:
                return labels.is_empty and not self.wanted.statuses and self.spans_all_times
            case BlobIndex.LABEL:
                others = labels.none or labels.min_confidence > 0 or self.wanted.statuses
                return not others and len(labels.all) + len(labels.any) == 1
            case BlobIndex.CONFIDENCE:
                return not labels.none and not self.wanted.statuses and self.spans_all_times
        return labels.is_empty and not self.checked_statuses

    @property
    def checked_metadata(self) -> tuple[str, ...]:
        """The pairs of metadata that an entry must have, where the index does not tell."""
        names = tuple(map(pair_name, self.wanted.facts.metadata))
        return names[1:] if self.index is BlobIndex.METADATA else names

    @property
    def checked_sha256(self) -> str | None:
        """The SHA-256 that an entry must have, where the index does not tell."""
        return None if self.index is BlobIndex.DIGEST else self.wanted.sha256

    @property
    def ascends(self) -> bool:
        """Whether the list begins with the least position."""
        return self.order in (BlobOrder.OLDEST, BlobOrder.FILE_NAME)

    @property
    def spans_all_times(self) -> bool:
        """Whether blobs of every time belong to the list."""
        return not self.low and self.high == LAST_ID

    @property
    def is_whole(self) -> bool:
        """Whether all entries of its lists of states or of a label belong to the list.

        So where a store keeps the number of those, that is the number of blobs in this list.
        """
        return (
            self.exact
            and self.spans_all_times
            and self.index in _COUNTED
            and self.wanted.labels.min_confidence <= 0
        )

    def most_examined(self, first: int) -> int:
        """Return the maximum number of entries that are examined for a page of `first` items."""
        if not self.exact:
            return MAX_EXAMINED
        return (first + 2) * max(map(len, self.choices), default=0)

    def matches(self, blob: Blob) -> bool:
        """Tell whether a blob belongs to the list."""
        wanted = self.wanted
        return (
            blob.listed
            and self.low <= blob.id < self.high
            and (not wanted.statuses or blob.status in wanted.statuses)
            and (wanted.sha256 is None or blob.digest == wanted.sha256)
            and (not wanted.content_types or blob.content_type in wanted.content_types)
            and wanted.labels.matches(blob)
            and wanted.facts.matches(blob.facts)
            and (self.index is not BlobIndex.NAME or blob.facts.file_name is not None)
        )

    @property
    def position_types(self) -> tuple[type, ...]:
        """The types of a position's parts."""
        if self.order is BlobOrder.FILE_NAME:
            return (str, str)
        return (float, str) if self.order is BlobOrder.CONFIDENCE else (str,)

    @property
    def position_of(self) -> Callable[[Blob], Position]:
        """The function from a blob to its position: its id, behind what else the order is by.

        The next page starts behind it.
        """
        if self.order is BlobOrder.FILE_NAME:
            return _by_name
        if self.order is not BlobOrder.CONFIDENCE:
            return _by_id
        ((label,),) = self.choices
        return lambda blob: (confidences_of(blob)[label], blob.id)


def _by_id(blob: Blob) -> Position:
    return (blob.id,)


def _by_name(blob: Blob) -> Position:
    return (indexed_name(blob.facts.file_name or ""), blob.id)


_COUNTED: Final = (BlobIndex.OWNER, BlobIndex.STATUS, BlobIndex.LABEL, BlobIndex.CONFIDENCE)


@remember_short
def plan_blob_list(wanted: BlobFilter, order: BlobOrder = BlobOrder.NEWEST) -> BlobListPlan:
    """Return how to read the list of blobs that match a filter.

    External ids and a SHA-256 have few blobs, so that their lists are walked whatever else is asked
    for; then that of the first pair of metadata; then the lists of labels; then those of statuses.

    Raises:
        InvalidValue: a condition is out of range, or no index has this order; the message tells
            what to change.

    """
    labels, facts = simplify(wanted.labels), wanted.facts.normalized()
    _check(wanted, labels, order)
    low = ulid_floor(wanted.created_after) if wanted.created_after else ""
    high = ulid_floor(wanted.created_before) if wanted.created_before else LAST_ID
    # Blobs in other states have no labels.
    possible = CAN_HAVE_LABELS if labels.requires_labels else _STATUSES
    given = wanted.statuses
    statuses = tuple(each for each in possible if each in given) if given else possible
    impossible = not statuses or low >= high or is_contradictory(wanted.labels)
    impossible |= facts.is_contradictory
    if given and not set(CAN_HAVE_LABELS).intersection(statuses):
        labels = NO_LABELS  # that is, none of those to exclude
    if statuses == possible:
        statuses = ()
    wanted = replace(wanted, statuses=statuses, labels=labels, facts=facts)
    index, choices = _walked(wanted, order)
    return BlobListPlan(
        wanted=wanted,
        order=order,
        index=index,
        choices=() if impossible else choices,
        low=low,
        high=high,
        name=_name_of(order, wanted),
    )


def _name_of(order: BlobOrder, wanted: BlobFilter) -> str:
    """Return the name of a list: without newer conditions that of earlier versions' cursors."""
    name = f"{order} {wanted}"
    if wanted.facts != NO_CONDITIONS:
        name += f" {wanted.facts}"
    newer = sorted(wanted.content_types), wanted.labels.confirmed, wanted.labels.found
    return name if newer == ([], None, None) else f"{name} {newer}"


def _walked(  # noqa: PLR0911  # one for each index
    wanted: BlobFilter, order: BlobOrder
) -> tuple[BlobIndex, tuple[_Lists, ...]]:
    statuses, labels, facts = wanted.statuses, wanted.labels, wanted.facts
    if order is BlobOrder.FILE_NAME:
        return BlobIndex.NAME, (("",),)
    if facts.external_ids:
        return BlobIndex.EXTERNAL_ID, (facts.external_ids,)
    if wanted.sha256 is not None:
        return BlobIndex.DIGEST, ((wanted.sha256,),)
    by_label = (*((name,) for name in labels.all), *([labels.any] if labels.any else ()))
    if order is BlobOrder.CONFIDENCE:
        return BlobIndex.CONFIDENCE, by_label
    if facts.metadata:
        return BlobIndex.METADATA, ((pair_name(facts.metadata[0]),),)
    # Few blobs are being labelled again, and many may have the label.
    if by_label and statuses != (BlobStatus.LABELLING,):
        return BlobIndex.LABEL, by_label
    if statuses:
        return BlobIndex.STATUS, (tuple(statuses),)
    return BlobIndex.OWNER, (("",),)


def _check(wanted: BlobFilter, labels: LabelFilter, order: BlobOrder) -> None:
    """Refuse what no index can answer."""
    check_label_filter(wanted.labels)
    few = "externalIds" if wanted.facts.external_ids else "sha256" if wanted.sha256 else None
    prefix = wanted.facts.file_name_prefix is not None
    check_order(order, labels=len(labels.all) + len(labels.any), prefix=prefix, few=few)
