"""The search for blobs that look like another: its arguments, its pages and their cursors."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from typing import Final, NamedTuple

import strawberry

from api.graphql.connections import PageInfo, page_info
from api.graphql.context import Context
from api.graphql.cursors import decode_cursor, encode_cursors
from core.domain.pagination import check_first
from core.domain.similar import DUPLICATE_FROM, SIMILAR_FROM, SimilarBlob, SimilarKind

strawberry.enum(
    SimilarKind,
    description="DUPLICATE: copies of the same image, also resized, recompressed, converted to "
    "another type or cropped a little. SIMILAR: other images that look like it.",
)

SIMILAR: Final = (
    "Your other blobs that look like this one, most similar first. Null when it can't be compared: "
    "before it is labelled, when an earlier version labelled it (relabelBlob changes that), and "
    "when its detector does not support it, as Rekognition and so the service on AWS."
)
SIMILARITY: Final = (
    "How much it looks like the other, from 0 to 1. Compare it only with those of the same `kind`: "
    f"duplicates have {DUPLICATE_FROM:g} or more, others {SIMILAR_FROM:g} or more."
)


class SimilarPage(NamedTuple):
    """A page of similar blobs, each with its cursor."""

    found: list[tuple[str, SimilarBlob]]
    info: PageInfo


async def find_similar(
    context: Context, blob_id: str, kind: SimilarKind, first: int, after: str | None
) -> SimilarPage | None:
    """Return a page of the caller's blobs that look like a blob. Raises InvalidValue."""
    scope = ("similar", context.owner, blob_id, kind)
    first = check_first(first)
    position: tuple[float, int] | None = None
    if after:
        similarity, sequence = decode_cursor(scope, after, [float, int])
        position = float(similarity), int(sequence)
    similar = context.services.similar
    if similar is None:
        return None
    page = await context.services.search(
        similar.find, context.owner, blob_id, kind, first=first, after=position
    )
    if page is None:
        return None
    cursors = encode_cursors(scope, [(each.similarity, each.sequence) for each in page.items])
    return SimilarPage(
        list(zip(cursors, page.items, strict=True)), page_info(cursors, page.has_next, after)
    )
