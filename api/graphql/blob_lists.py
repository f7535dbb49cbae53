"""The list of blobs: its filter, its order and its pages."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from dataclasses import replace
from datetime import datetime
from typing import Final

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.connections import Connection, connection
from api.graphql.context import Context
from api.graphql.cursors import decode_cursor
from api.graphql.image_types import ImageType
from api.graphql.metadata import MetadataEntryInput, pairs_of
from api.graphql.types import Blob
from api.graphql.vocabulary import MatchedLabel, match_labels
from api.services.uploads import SHA256_FORM, is_sha256
from core.domain import blob_list as domain
from core.domain.blob import BlobStatus
from core.domain.blob_list import MAX_EXAMINED, BlobOrder, plan_blob_list
from core.domain.errors import InvalidValue
from core.domain.facts import INDEXED_NAME, MAX_EXTERNAL_IDS, FactsFilter, Pair
from core.domain.label_filter import MAX_LABELS, NO_LABELS, check_label_filter
from core.domain.label_filter import LabelFilter as DomainLabelFilter
from core.domain.pagination import check_first

strawberry.enum(
    BlobOrder,
    description="NEWEST: newest first. OLDEST: oldest first. CONFIDENCE: most confident first, and "
    "newest first among equals; it needs a filter that names exactly one label in `all` or `any`. "
    "FILE_NAME: the blobs that have a `fileName`, by that without regard to case, and oldest first "
    "among equals. CONFIDENCE and FILE_NAME go with neither `sha256` nor `externalIds`.",
)

PAGES: Final = (
    f"A page examines at most {MAX_EXAMINED} entries of an index. So where a filter combines "
    "several conditions and few blobs meet them, a page may have fewer entries than `first`, or "
    "none, although more follow: continue from endCursor while hasNextPage is true."
)


@strawberry.input(
    description=f"Labels that a blob must have or not have: at most {MAX_LABELS} names, whose case "
    'is ignored. Example: `{all: ["animal"], any: ["cat", "dog"], none: ["grass"], '
    "minConfidence: 60}`."
)
class LabelFilter:
    all: list[str] | None = strawberry.field(
        default=UNSET, description="The blob has all of these labels."
    )
    any: list[str] | None = strawberry.field(
        default=UNSET, description="The blob has at least one of these labels."
    )
    none: list[str] | None = strawberry.field(
        default=UNSET,
        description="The blob has none of these labels. A blob without any label, for example one "
        "that is not labelled yet, has none of them.",
    )
    min_confidence: float = strawberry.field(
        default=0, description="Labels with a lower confidence, from 0 to 100, do not count."
    )

    confirmed: bool | None = strawberry.field(
        default=UNSET,
        description="True: only labels that you added or confirmed count, those with a "
        "`confirmedAt`. False: only those that the detector alone found. Without names, true finds "
        "blobs of which you confirmed any label, and false labelled blobs of which you confirmed "
        "none.",
    )

    found: bool | None = strawberry.field(
        default=UNSET,
        description="True: the blob has a label. False: it is labelled, and nothing was found.",
    )

    def to_domain(self) -> DomainLabelFilter:
        """Return the filter as the domain knows it."""
        return DomainLabelFilter(
            all=tuple(self.all or ()),
            any=tuple(self.any or ()),
            none=tuple(self.none or ()),
            min_confidence=float(self.min_confidence),  # plans of equal filters are shared
            confirmed=None if self.confirmed is UNSET else self.confirmed,
            found=None if self.found is UNSET else self.found,
        )


@strawberry.input(
    description="Which blobs to list; a blob must meet every condition. Example: `{status: "
    '[LABELLED], createdAfter: "2026-01-31T00:00:00.000Z", labels: {any: ["cat", "dog"]}}`.'
)
class BlobFilter:
    status: list[BlobStatus] | None = strawberry.field(
        default=UNSET, description="One of these states."
    )
    created_after: datetime | None = strawberry.field(
        default=UNSET, description="Created at this time or later."
    )
    created_before: datetime | None = strawberry.field(
        default=UNSET, description="Created before this time."
    )
    sha256: str | None = strawberry.field(
        default=UNSET,
        description="SHA-256 of the bytes, in base64: of those that arrived, or as createUpload "
        "declared it.",
    )
    content_types: list[ImageType] | None = strawberry.field(
        default=UNSET,
        description="One of these types: that of the bytes, once they are labelled, and before "
        "that the one that createUpload declared.",
    )
    file_name_prefix: str | None = strawberry.field(
        default=UNSET,
        description=f"Start of the `fileName`, whose case is ignored: 1 to {INDEXED_NAME} "
        "characters. Order by FILE_NAME.",
    )
    external_ids: list[str] | None = strawberry.field(
        default=UNSET, description=f"One of these `externalId`s, at most {MAX_EXTERNAL_IDS}."
    )
    metadata: list[MetadataEntryInput] | None = strawberry.field(
        default=UNSET,
        description="All of these pairs, exactly as they are. The first one decides which index "
        "entries are examined, so give the rarest first.",
    )
    labels: LabelFilter | None = strawberry.field(
        default=UNSET,
        description="Labels that the blob must have or not have. Aliases, other words and plurals "
        "find a label too; see `matchedLabels`.",
    )

    def to_domain(self) -> domain.BlobFilter:
        """Return the filter as the domain knows it. Raises InvalidValue."""
        sha256 = self.sha256 or None
        if sha256 is not None and not is_sha256(sha256):
            raise InvalidValue("sha256", SHA256_FORM, ("filter", "sha256"))
        return domain.BlobFilter(
            statuses=tuple(self.status or ()),
            created_after=self.created_after or None,
            created_before=self.created_before or None,
            sha256=sha256,
            labels=self.labels.to_domain() if self.labels else NO_LABELS,
            facts=FactsFilter(
                None if self.file_name_prefix is UNSET else self.file_name_prefix,
                tuple(self.external_ids or ()),
                tuple(Pair(*each) for each in pairs_of(self.metadata or None)),
            ),
            content_types=tuple(dict.fromkeys(each.value for each in self.content_types or ())),
        )


@strawberry.type(description="One page of a list of blobs.")
class BlobConnection(Connection[Blob]):
    plan: strawberry.Private[domain.BlobListPlan]
    matched_labels: list[MatchedLabel] | None = strawberry.field(
        description="What the names in `filter.labels` mean among your labels in use, in their "
        "order: `sofa` finds Couch. Null when none is named."
    )

    @strawberry.field(
        description="Number of blobs in the whole list, where one read tells it: for one label "
        "without other conditions, whose count follows changes within moments; and, except on "
        "AWS, for all blobs and for those in some states. Null for other lists."
    )
    async def total_count(self, info: Info[Context, None]) -> int | None:
        """Return the number, if one read tells it."""
        context = info.context
        return await context.services.read(context.services.blobs.count, context.owner, self.plan)


async def list_blobs(
    context: Context, wanted: BlobFilter | None, order: BlobOrder, first: int, after: str | None
) -> BlobConnection:
    """Return a page of the caller's blobs. Raises InvalidValue."""
    filtered = wanted.to_domain() if wanted else domain.BlobFilter()
    matched: list[MatchedLabel] | None = None
    if not filtered.labels.is_empty:
        check_label_filter(filtered.labels)
    if filtered.labels.names:
        matched = await match_labels(context, filtered.labels.names)
        meant = {each.name: each.label.folded for each in matched if each.label}
        labels = filtered.labels.renamed(lambda name: meant.get(name, name))
        filtered = replace(filtered, labels=labels)
    plan = plan_blob_list(filtered, order)
    scope = ("blobs", context.owner, plan.name)
    page = await context.services.read(
        context.services.blobs.find_page,
        context.owner,
        plan,
        first=check_first(first),
        after=decode_cursor(scope, after, plan.position_types) if after else None,
    )
    position_of = plan.position_of
    found = connection(page.map(Blob.of), scope, lambda blob: position_of(blob.record), after)
    return BlobConnection(
        edges=found.edges,
        nodes=found.nodes,
        page_info=found.page_info,
        plan=plan,
        matched_labels=matched,
    )
