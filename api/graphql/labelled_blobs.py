"""The blobs that have a label, and how confident it is."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from typing import Annotated

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.connections import After, First, PageInfo, page_info
from api.graphql.context import Context
from api.graphql.cursors import decode_cursor, encode_cursor, encode_cursors
from api.graphql.types import Blob
from api.graphql.vocabulary import VocabularyLabel, match_labels
from api.services.labels import LabelOrder, find_by_label
from core.domain.pagination import check_first


@strawberry.type(description="A blob found by a label.")
class LabelledBlobEdge:
    """A blob and the confidence of the label."""

    cursor: str = strawberry.field(description="Position in the list, for `after`.")
    node: Blob = strawberry.field(description="The blob.")
    confidence: float = strawberry.field(description="Confidence of the label, from 0 to 100.")


@strawberry.type(description="One page of the blobs that have a label.")
class LabelledBlobConnection:
    """A page of blobs, and the label that was found."""

    edges: list[LabelledBlobEdge] = strawberry.field(description="Entries of the page, in order.")
    nodes: list[Blob] = strawberry.field(description="The nodes of the edges.")
    page_info: PageInfo = strawberry.field(description="Position of the page in the list.")
    matched_label: VocabularyLabel | None = strawberry.field(
        description="The label in use that the name means: `sofa` finds Couch. Null when there is "
        "none: then no blob has such a label."
    )


async def list_blobs_by_label(
    info: Info[Context, None],
    label: Annotated[
        str,
        strawberry.argument(
            description="Name of the label, or an alias, another word or a plural of it; its case "
            "is ignored."
        ),
    ],
    min_confidence: Annotated[
        float, strawberry.argument(description="Minimum confidence of a label, from 0 to 100.")
    ] = 0,
    order_by: Annotated[
        LabelOrder, strawberry.argument(description="Order of the blobs.")
    ] = LabelOrder.NEWEST,
    first: First = 20,
    after: After = UNSET,
) -> LabelledBlobConnection:
    """Find blobs by label."""
    context = info.context
    (matched,) = await match_labels(context, [label])
    folded = matched.label.folded if matched.label else label.casefold()
    scope = ("blobsByLabel", context.owner, folded, min_confidence, order_by)
    page = await context.services.read(
        find_by_label,
        context.services.blobs,
        context.owner,
        folded,
        min_confidence=min_confidence,
        order=order_by,
        first=check_first(first),
        after=decode_cursor(scope, after, [float, str]) if after else None,
    )
    cursors = encode_cursors(scope, [each.position for each in page.items])
    position = page_info(cursors, page.has_next, after)
    if page.reached is not None:
        position.end_cursor = encode_cursor(scope, page.reached)
    edges = [
        LabelledBlobEdge(cursor=cursor, node=Blob.of(found.blob), confidence=found.confidence)
        for cursor, found in zip(cursors, page.items, strict=True)
    ]
    return LabelledBlobConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=position,
        matched_label=matched.label,
    )
