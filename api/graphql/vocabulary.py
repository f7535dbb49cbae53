"""The labels in use: each is a node, with its pictures and what is known of it."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

import base64
import binascii
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Final

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.connections import After, Connection, First, connection
from api.graphql.context import Context
from api.graphql.cursors import decode_cursor
from api.graphql.node import Node
from api.graphql.nodes import SEPARATOR, register_nodes
from api.graphql.types import Blob
from core.domain.label import Label
from core.domain.pagination import Page, check_first
from core.repositories.ports.blobs import LabelSummary, SummaryOrder

PREFIX: Final = "label"
_NO_LABEL: Final = Label("", 0)

strawberry.enum(
    SummaryOrder,
    name="VocabularyLabelOrder",
    description="NAME: by name, ignoring case. BLOB_COUNT: the label of most blobs first, and by "
    "name among equals.",
)


@strawberry.type(description="A label in use: one of those that your blobs have.")
class VocabularyLabel(Node):
    folded: strawberry.Private[str]
    name: str = strawberry.field(description="Name, as it was first used.")
    blob_count: int = strawberry.field(description="Number of blobs with this label.")

    @staticmethod
    def of(summary: LabelSummary) -> "VocabularyLabel":
        """Return a label in use as GraphQL shows it."""
        folded = summary.name.casefold()
        return VocabularyLabel(
            id=strawberry.ID(_id_of(folded)),
            folded=folded,
            name=summary.name,
            blob_count=summary.blob_count,
        )

    @strawberry.field(
        description="Other names with the same meaning, as the detector stored them with the "
        "newest blob that has this label."
    )
    async def aliases(self, info: Info[Context, None]) -> list[str]:
        """Return the names."""
        return list((await self._newest_label(info)).aliases)

    @strawberry.field(
        description="Categories it belongs to, as the detector stored them with the newest blob "
        "that has this label. Example: `Animals and Pets`."
    )
    async def categories(self, info: Info[Context, None]) -> list[str]:
        """Return the categories."""
        return list((await self._newest_label(info)).categories)

    @strawberry.field(
        description="The newest blob with this label. Null for a moment, when its last blob has "
        "just lost it."
    )
    async def cover(self, info: Info[Context, None]) -> Blob | None:
        """Return the blob."""
        blob = await info.context.newest_blobs.load(self.folded)
        return Blob.of(blob) if blob else None

    async def _newest_label(self, info: Info[Context, None]) -> Label:
        """Return this label as the newest blob has it."""
        blob = await info.context.newest_blobs.load(self.folded)
        labels = (blob and blob.labels) or ()
        return next((each for each in labels if each.name.casefold() == self.folded), _NO_LABEL)


async def find_label(
    info: Info[Context, None],
    name: Annotated[
        str, strawberry.argument(description="Name of the label; its case is ignored.")
    ],
) -> VocabularyLabel | None:
    """Find one label in use."""
    folded = name.casefold()
    return (await _find(info.context, [folded])).get(folded)


async def list_labels(
    info: Info[Context, None],
    prefix: Annotated[
        str | None, strawberry.argument(description="Start of the name; its case is ignored.")
    ] = UNSET,
    order_by: Annotated[
        SummaryOrder, strawberry.argument(description="Order of the labels.")
    ] = SummaryOrder.NAME,
    first: First = 20,
    after: After = UNSET,
) -> Connection[VocabularyLabel]:
    """List labels in use."""
    context = info.context
    blobs = context.services.blobs
    scope = ("labels", context.owner, (prefix or "").casefold(), order_by)
    by_count = order_by is SummaryOrder.BLOB_COUNT
    find: Callable[..., Page[LabelSummary]]
    if by_count:
        find = partial(blobs.find_labels_by_count, after=_place_by_count(scope, after))
    else:
        place = str(decode_cursor(scope, after, [str])[0]) if after else None
        find = partial(blobs.find_labels, after=place)
    page = await context.services.read(find, context.owner, prefix or "", first=check_first(first))
    return connection(
        page.map(VocabularyLabel.of),
        scope,
        lambda label: (label.blob_count, label.folded) if by_count else (label.folded,),
        after,
    )


def _place_by_count(scope: Sequence[object], after: str | None) -> tuple[int, str] | None:
    if not after:
        return None
    count, folded = decode_cursor(scope, after, [int, str])
    return int(count), str(folded)


async def _find(context: Context, labels: Sequence[str]) -> dict[str, VocabularyLabel]:
    """Return the caller's labels in use, by folded name."""
    services = context.services
    found = await services.read(services.blobs.find_label_summaries, context.owner, set(labels))
    return {folded: VocabularyLabel.of(summary) for folded, summary in found.items()}


async def _nodes(context: Context, ids: Sequence[str]) -> dict[str, Node]:
    found = await _find(context, [label for each in ids if (label := _label_of(each))])
    return {label.id: label for label in found.values()}


def _id_of(folded: str) -> str:
    text = base64.urlsafe_b64encode(folded.encode()).decode().rstrip("=")
    return f"{PREFIX}{SEPARATOR}{text}"


def _label_of(node_id: str) -> str | None:
    """Return the folded name in an id; None if it has none."""
    text = node_id.partition(SEPARATOR)[2].encode()
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


register_nodes(PREFIX, _nodes)
