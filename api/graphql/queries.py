"""The Query type."""

# Annotations are not put off: Strawberry would compile each anew (docs/decisions/0010).

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Final, TypeVar

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.context import Context
from api.graphql.cursors import Key, decode_cursor, encode_cursor, encode_cursors
from api.graphql.scalars import Url
from api.graphql.types import (
    Blob,
    Callback,
    Connection,
    Edge,
    LabelledBlobConnection,
    LabelledBlobEdge,
    LabelSummary,
    Node,
    PageInfo,
)
from api.services.uploads import SHA256_FORM, is_sha256
from core.domain.blob import BlobStatus
from core.domain.errors import InvalidValue
from core.domain.pagination import MAX_PAGE, Page, check_first
from core.repositories.ports.blobs import BlobFilter as Wanted
from core.repositories.ports.blobs import LabelOrder

T = TypeVar("T")

MAX_LABELS: Final = 10  # of one search

Id = Annotated[strawberry.ID, strawberry.argument(description="Its id.")]
First = Annotated[int, strawberry.argument(description="The page's size, 1 to 100.")]
After = Annotated[str | None, strawberry.argument(description="The endCursor of the page before.")]


@strawberry.input(description="Which blobs to list; each part narrows it.")
class BlobFilter:
    status: list[BlobStatus] | None = strawberry.field(default=UNSET, description="Any of these.")
    created_after: datetime | None = strawberry.field(
        default=UNSET, description="At or after this moment."
    )
    created_before: datetime | None = strawberry.field(
        default=UNSET, description="Before this moment."
    )
    sha256: str | None = strawberry.field(
        default=UNSET,
        description="The SHA-256 of their bytes, in base64: what arrived, or what was declared of "
        "what is to.",
    )


@strawberry.type(description="What can be looked at: all that the caller owns, and nothing else.")
class Query:
    @strawberry.field(description="Any node by its id; null when absent.")
    async def node(self, info: Info[Context, None], id: Id) -> Node | None:
        """Find one node."""
        return (await _blobs(info.context, [id]))[0]

    @strawberry.field(
        description=f"Nodes by id, in the order asked; null for each absent. At most {MAX_PAGE}."
    )
    async def nodes(
        self,
        info: Info[Context, None],
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Their ids.")],
    ) -> list[Node | None]:
        """Find many nodes."""
        if len(ids) > MAX_PAGE:
            raise InvalidValue("ids", f"at most {MAX_PAGE}, not {len(ids)}")
        return list(await _blobs(info.context, ids))

    @strawberry.field(description="A blob by its id; null when absent.")
    async def blob(self, info: Info[Context, None], id: Id) -> Blob | None:
        """Find one blob."""
        return (await _blobs(info.context, [id]))[0]

    @strawberry.field(description="Your blobs, newest first.")
    async def blobs(
        self,
        info: Info[Context, None],
        first: First = 20,
        after: After = UNSET,
        filter: Annotated[
            BlobFilter | None, strawberry.argument(description="Which of them.")
        ] = UNSET,
    ) -> Connection[Blob]:
        """List blobs."""
        context = info.context
        wanted = Wanted(
            statuses=tuple(filter.status or ()) if filter else (),
            created_after=(filter.created_after or None) if filter else None,
            created_before=(filter.created_before or None) if filter else None,
            sha256=(filter.sha256 or None) if filter else None,
        )
        if wanted.sha256 is not None and not is_sha256(wanted.sha256):
            raise InvalidValue("sha256", SHA256_FORM)
        scope = ("blobs", context.owner, wanted)
        page = await context.services.read(
            context.services.blobs.find_by_owner,
            context.owner,
            wanted,
            first=check_first(first),
            after=str(decode_cursor(scope, after, [str])[0]) if after else None,
        )
        return _connection(page.map(Blob.of), scope, lambda blob: (blob.record.id,), after)

    @strawberry.field(description="Your blobs that carry a label.")
    async def blobs_by_label(
        self,
        info: Info[Context, None],
        label: Annotated[str, strawberry.argument(description="Its name, in any case.")],
        min_confidence: Annotated[float, strawberry.argument(description="From 0 to 100.")] = 0,
        order_by: Annotated[
            LabelOrder, strawberry.argument(description="How they are sorted.")
        ] = LabelOrder.NEWEST,
        first: First = 20,
        after: After = UNSET,
    ) -> LabelledBlobConnection:
        """Find blobs by label."""
        context = info.context
        scope = ("blobsByLabel", context.owner, label.casefold(), min_confidence, order_by)
        position: tuple[float, str] | None = None
        if after:
            confidence, blob_id = decode_cursor(scope, after, [float, str])
            position = (float(confidence), str(blob_id))
        page = await context.services.read(
            context.services.blobs.find_by_label,
            context.owner,
            label,
            min_confidence=min_confidence,
            order=order_by,
            first=check_first(first),
            after=position,
        )
        cursors = encode_cursors(scope, [(each.confidence, each.blob.id) for each in page.items])
        edges = [
            LabelledBlobEdge(cursor=cursor, node=Blob.of(found.blob), confidence=found.confidence)
            for cursor, found in zip(cursors, page.items, strict=True)
        ]
        return LabelledBlobConnection(
            edges=edges,
            nodes=[edge.node for edge in edges],
            page_info=_page_info(cursors, page.has_next, after),
        )

    @strawberry.field(
        description="Your blobs by several labels, newest first: with all of some, one at least of "
        "others, none of yet others; name a label in `all` or `any`. Names are compared in any "
        f"case, and are {MAX_LABELS} at most. A page may be short, or even empty, before the last: "
        "while hasNextPage is true go on from endCursor."
    )
    async def blobs_by_labels(
        self,
        info: Info[Context, None],
        all: Annotated[
            list[str] | None, strawberry.argument(description="Labels to carry, each of them.")
        ] = UNSET,
        any: Annotated[
            list[str] | None, strawberry.argument(description="Labels of which to carry one.")
        ] = UNSET,
        none: Annotated[
            list[str] | None, strawberry.argument(description="Labels not to carry.")
        ] = UNSET,
        min_confidence: Annotated[
            float,
            strawberry.argument(description="From 0 to 100: a label less sure is not carried."),
        ] = 0,
        first: First = 20,
        after: After = UNSET,
    ) -> Connection[Blob]:
        """Find blobs by several labels."""
        from core.domain.label_filter import LabelFilter, fold_names  # not for a start  # noqa: PLC0415

        context = info.context
        wanted = LabelFilter(
            all=tuple(fold_names(all or ())),
            any=tuple(fold_names(any or ())),
            none=tuple(fold_names(none or ())),
            min_confidence=min_confidence,
        )
        if not (wanted.all or wanted.any):
            raise InvalidValue("all", "name a label to look for in all or any")
        if len(wanted.all) + len(wanted.any) + len(wanted.none) > MAX_LABELS:
            raise InvalidValue("all", f"at most {MAX_LABELS} labels in all, any and none together")
        scope = ("blobsByLabels", context.owner, wanted)
        page = await context.services.read(
            context.services.blobs.find_by_labels,
            context.owner,
            wanted,
            first=check_first(first),
            after=str(decode_cursor(scope, after, [str])[0]) if after else None,
        )
        return _connection(page.map(Blob.of), scope, lambda blob: (blob.record.id,), after)

    @strawberry.field(description="The labels in use, for browsing and completion, by name.")
    async def labels(
        self,
        info: Info[Context, None],
        prefix: Annotated[
            str | None, strawberry.argument(description="How they start, in any case.")
        ] = UNSET,
        first: First = 20,
        after: After = UNSET,
    ) -> Connection[LabelSummary]:
        """List labels in use."""
        context = info.context
        scope = ("labels", context.owner, (prefix or "").casefold())
        page = await context.services.read(
            context.services.blobs.find_labels,
            context.owner,
            prefix or "",
            first=check_first(first),
            after=str(decode_cursor(scope, after, [str])[0]) if after else None,
        )
        summaries = page.map(
            lambda found: LabelSummary(name=found.name, blob_count=found.blob_count)
        )
        return _connection(summaries, scope, lambda label: (label.name.casefold(),), after)

    @strawberry.field(
        description="A webhook by its webhook-id, a test event's too; null when absent."
    )
    async def callback(
        self,
        info: Info[Context, None],
        id: Annotated[strawberry.ID, strawberry.argument(description="Its webhook-id.")],
    ) -> Callback | None:
        """Find one webhook."""
        context = info.context
        found = await context.services.read(context.services.deliveries.find, context.owner, [id])
        delivery = found.get(id)
        return Callback.of(delivery.url, delivery) if delivery else None

    @strawberry.field(
        description="Endpoints of yours (URLs without their query) that answered 410 Gone: nothing "
        "is sent to them until enableWebhookEndpoint. The first disabled first."
    )
    async def disabled_webhook_endpoints(self, info: Info[Context, None]) -> list[Url]:
        """List disabled endpoints."""
        context = info.context
        found = await context.services.read(
            context.services.deliveries.disabled_endpoints, context.owner
        )
        return [Url(each.endpoint) for each in found]


async def _blobs(context: Context, ids: Sequence[str]) -> list[Blob | None]:
    found = await context.services.read(context.services.blobs.find, context.owner, set(ids))
    return [Blob.of(found[blob_id]) if blob_id in found else None for blob_id in ids]


def _connection(
    page: Page[T], scope: Sequence[object], key: Callable[[T], Key], after: str | None
) -> Connection[T]:
    cursors = encode_cursors(scope, map(key, page.items))
    edges = [
        Edge(cursor=cursor, node=node) for cursor, node in zip(cursors, page.items, strict=True)
    ]
    page_info = _page_info(cursors, page.has_next, after)
    if page.reached is not None:
        page_info.end_cursor = encode_cursor(scope, (page.reached,))
    return Connection(edges=edges, nodes=list(page.items), page_info=page_info)


def _page_info(cursors: Sequence[str], has_next: bool, after: str | None) -> PageInfo:
    return PageInfo(
        has_next_page=has_next,
        has_previous_page=bool(after),
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )
