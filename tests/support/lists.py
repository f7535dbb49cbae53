"""Lists of blobs, page by page, and a model that checks every blob."""

from __future__ import annotations

from collections.abc import Sequence

from core.domain.blob import Blob
from core.domain.blob_list import BlobFilter, BlobOrder, plan_blob_list
from core.domain.label import Label
from core.domain.label_filter import LabelFilter
from core.domain.pagination import Page, Position
from core.repositories.ports.blobs import BlobRepository

ANY = BlobFilter()


def a_page(
    blobs: BlobRepository,
    owner: str = "anna",
    wanted: BlobFilter = ANY,
    order: BlobOrder = BlobOrder.NEWEST,
    *,
    first: int = 100,
    after: Position | str | None = None,
) -> Page[Blob]:
    """Return a page; `after` may be an id, where the order is by id."""
    position = (after,) if isinstance(after, str) else after
    return blobs.find_page(owner, plan_blob_list(wanted, order), first=first, after=position)


def all_pages(
    blobs: BlobRepository,
    owner: str = "anna",
    wanted: BlobFilter = ANY,
    order: BlobOrder = BlobOrder.NEWEST,
    first: int = 100,
    most: int = 1000,
) -> list[Page[Blob]]:
    """Return all pages, each starting behind what the one before reached."""
    plan = plan_blob_list(wanted, order)
    found: list[Page[Blob]] = []
    after: Position | None = None
    for _ in range(most):
        page = blobs.find_page(owner, plan, first=first, after=after)
        found.append(page)
        if not page.has_next:
            return found
        assert page.items or page.reached, "no one can continue behind this page"
        after = page.reached or plan.position_of(page.items[-1])
    raise AssertionError("the list has no end")


def listed(
    blobs: BlobRepository,
    owner: str = "anna",
    wanted: BlobFilter = ANY,
    order: BlobOrder = BlobOrder.NEWEST,
    first: int = 100,
) -> list[Blob]:
    """Return the whole list."""
    return [
        blob for page in all_pages(blobs, owner, wanted, order, first=first) for blob in page.items
    ]


def listed_by_hand(
    made: Sequence[Blob], wanted: BlobFilter, order: BlobOrder = BlobOrder.NEWEST
) -> list[Blob]:
    """The model: check every blob as the filter describes it, and sort them."""
    labels = wanted.labels

    def counts(label: Label) -> bool:
        return labels.confirmed is None or labels.confirmed == (label.confirmed_at is not None)

    def confidence(blob: Blob, name: str) -> float:
        found = (each for each in blob.labels or () if same(each.name, name) and counts(each))
        return next((each.confidence for each in found), -1.0)

    def same(one: str, other: str) -> bool:
        return one.casefold() == other.casefold()

    def carries(blob: Blob, name: str) -> bool:
        return confidence(blob, name) >= labels.min_confidence

    def has_facts(blob: Blob) -> bool:
        facts, given = wanted.facts, blob.facts
        name, start = (given.file_name or "").casefold(), (facts.file_name_prefix or "").casefold()
        return (
            name.startswith(start)
            and (not facts.external_ids or given.external_id in facts.external_ids)
            and all(pair in given.metadata for pair in facts.metadata)
            and (order is not BlobOrder.FILE_NAME or given.file_name is not None)
        )

    found = [
        blob
        for blob in made
        if (not wanted.statuses or blob.status in wanted.statuses)
        and (wanted.created_after is None or blob.created_at >= wanted.created_after)
        and (wanted.created_before is None or blob.created_at < wanted.created_before)
        and (wanted.sha256 is None or blob.digest == wanted.sha256)
        and (not wanted.content_types or blob.content_type in wanted.content_types)
        and has_facts(blob)
        and is_examined(blob, labels)
        and all(carries(blob, name) for name in labels.all)
        and (not labels.any or any(carries(blob, name) for name in labels.any))
        and not any(carries(blob, name) for name in labels.none)
    ]
    if order is BlobOrder.CONFIDENCE:
        counting = [each for each in (*labels.all, *labels.any) if each not in labels.none]
        return sorted(
            found, key=lambda blob: (confidence(blob, counting[0]), blob.id), reverse=True
        )
    if order is BlobOrder.FILE_NAME:
        return sorted(found, key=lambda blob: ((blob.facts.file_name or "").casefold(), blob.id))
    return sorted(found, key=lambda blob: blob.id, reverse=order is BlobOrder.NEWEST)


def is_examined(blob: Blob, labels: LabelFilter) -> bool:
    """The model of conditions on all labels of a blob."""
    if labels.found is not None and (blob.labels is None or labels.found != bool(blob.labels)):
        return False
    if labels.confirmed is None or labels.all or labels.any or labels.none:
        return True
    return blob.labels is not None and labels.confirmed == any(
        each.confirmed_at for each in blob.labels
    )
