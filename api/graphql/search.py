"""The field `search` of the Query type."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from typing import Annotated

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.connections import After, First, PageInfo
from api.graphql.context import Context
from api.graphql.similar import MAX_TEXT, TEXT_SIMILARITY, search_blobs
from api.graphql.types import Blob


@strawberry.type(description="A blob that a search has found.")
class SearchEdge:
    cursor: str = strawberry.field(description="Position in the list, for `after`.")
    node: Blob = strawberry.field(description="The blob.")
    similarity: float = strawberry.field(description=TEXT_SIMILARITY)


@strawberry.type(description="One page of the blobs that a search has found.")
class SearchConnection:
    edges: list[SearchEdge] = strawberry.field(description="Entries of the page, in order.")
    nodes: list[Blob] = strawberry.field(description="The nodes of the edges.")
    page_info: PageInfo = strawberry.field(description="Position of the page in the list.")


async def search(
    info: Info[Context, None],
    text: Annotated[
        str,
        strawberry.argument(
            description="What the pictures show, as a person would write it: `a dog on a beach`. "
            f"At most {MAX_TEXT} characters."
        ),
    ],
    first: First = 20,
    after: After = UNSET,
) -> SearchConnection | None:
    """Find blobs that a text describes."""
    page = await search_blobs(info.context, text, first, after or None)
    edges = [
        SearchEdge(cursor=cursor, node=Blob.of(each.blob), similarity=each.similarity)
        for cursor, each in page.found
    ]
    return SearchConnection(edges=edges, nodes=[edge.node for edge in edges], page_info=page.info)
