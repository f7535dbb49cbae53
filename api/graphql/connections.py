"""Pages of lists, as Relay's connections (https://relay.dev/graphql/connections.htm)."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import strawberry

from api.graphql.cursors import encode_cursor, encode_cursors
from core.domain.pagination import Page, Position

T = TypeVar("T")

First = Annotated[
    int, strawberry.argument(description="Maximum number of entries in the page, from 1 to 100.")
]
After = Annotated[
    str | None,
    strawberry.argument(description="The endCursor of the previous page; omit it for the first."),
]


@strawberry.type(description="Position of a page in its list (Relay's PageInfo).")
class PageInfo:
    has_next_page: bool = strawberry.field(
        description="Whether more entries follow. Request them with `after`."
    )
    has_previous_page: bool = strawberry.field(description="Whether `after` was given.")
    start_cursor: str | None = strawberry.field(
        description="Cursor of the first entry; null when the page is empty."
    )
    end_cursor: str | None = strawberry.field(
        description="Where the next page begins: pass it as `after`."
    )


@strawberry.type(description="An entry of a connection.")
class Edge(Generic[T]):
    cursor: str = strawberry.field(description="Position in the list, for `after`.")
    node: T = strawberry.field(description="The entry's object.")


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]] = strawberry.field(description="Entries of the page, in order.")
    nodes: list[T] = strawberry.field(description="The nodes of the edges.")
    page_info: PageInfo = strawberry.field(description="Position of the page in the list.")


def connection(
    page: Page[T], scope: Sequence[object], key: Callable[[T], Position], after: str | None
) -> Connection[T]:
    """Return a page as a connection; `scope` and `key` make its cursors (`cursors`)."""
    cursors = encode_cursors(scope, map(key, page.items))
    edges = [
        Edge(cursor=cursor, node=node) for cursor, node in zip(cursors, page.items, strict=True)
    ]
    info = page_info(cursors, page.has_next, after)
    if page.reached is not None:
        info.end_cursor = encode_cursor(scope, page.reached)
    return Connection(edges=edges, nodes=list(page.items), page_info=info)


def page_info(cursors: Sequence[str], has_next: bool, after: str | None) -> PageInfo:
    """Return the position of a page with those cursors."""
    return PageInfo(
        has_next_page=has_next,
        has_previous_page=bool(after),
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )
