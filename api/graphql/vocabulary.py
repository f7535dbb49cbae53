"""The labels in use: each is a node, with its pictures and what is known of it."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.connections import After, First, PageInfo, page_info
from api.graphql.context import Context
from api.graphql.cursors import decode_cursor, encode_cursors
from api.graphql.node import Node
from api.graphql.nodes import SEPARATOR, register_nodes
from api.graphql.types import Blob
from api.services.labels import find_labels_by_word, merge_labels, resolve_labels
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


@strawberry.type(description="A label in use, that your blobs have, or one of your own vocabulary.")
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
        description="Other names with the same meaning, of your own vocabulary, or as the "
        "detector stored them with the newest blob that has this label."
    )
    async def aliases(self, info: Info[Context, None]) -> list[str]:
        """Return the names."""
        return list((await self._newest_label(info)).aliases)

    @strawberry.field(
        description="Categories it belongs to, of your own vocabulary, or as the detector stored "
        "them with the newest blob that has this label. Example: `Animals and Pets`."
    )
    async def categories(self, info: Info[Context, None]) -> list[str]:
        """Return the categories."""
        return list((await self._newest_label(info)).categories)

    @strawberry.field(
        description="Names of all ancestors, nearest first, of your own vocabulary, or as the "
        "detector stored them with the newest blob that has this label."
    )
    async def parents(self, info: Info[Context, None]) -> list[str]:
        """Return the ancestors."""
        return list((await self._newest_label(info)).parents)

    @strawberry.field(description="The newest blob with this label. Null when no blob has it.")
    async def cover(self, info: Info[Context, None]) -> Blob | None:
        """Return the blob."""
        blob = await info.context.newest_blobs.load(self.folded)
        return Blob.of(blob) if blob else None

    async def _newest_label(self, info: Info[Context, None]) -> Label:
        """Return this label as the owner defines it, or else as the newest blob has it."""
        context = info.context
        own = (await context.vocabularies.load(context.owner)).by_name.get(self.folded)
        if own is not None:
            return own.to_label()
        blob = await info.context.newest_blobs.load(self.folded)
        labels = (blob and blob.labels) or ()
        return next((each for each in labels if each.name.casefold() == self.folded), _NO_LABEL)


@strawberry.type(description="A name in a search, and the label in use that it means.")
class MatchedLabel:
    name: str = strawberry.field(description="The name, as it was given.")
    label: VocabularyLabel | None = strawberry.field(
        description="The label of that name; else the one that it is an alias, another word or the "
        "plural of. Your own vocabulary comes first. Null when there is none: then no blob has "
        "such a label."
    )


@strawberry.type(description="An entry of a connection.")
class VocabularyLabelEdge:
    cursor: str = strawberry.field(description="Position in the list, for `after`.")
    node: VocabularyLabel = strawberry.field(description="The entry's object.")
    matched_word: str | None = strawberry.field(
        description="The other word for the label that starts with the prefix, for example `Sofa` "
        "of Couch; null where its name does."
    )


@strawberry.type(description="One page of a list.")
class VocabularyLabelConnection:
    edges: list[VocabularyLabelEdge] = strawberry.field(
        description="Entries of the page, in order."
    )
    nodes: list[VocabularyLabel] = strawberry.field(description="The nodes of the edges.")
    page_info: PageInfo = strawberry.field(description="Position of the page in the list.")


async def match_labels(context: Context, names: Collection[str]) -> list[MatchedLabel]:
    """Return what each name means among the caller's labels in use."""
    services = context.services
    found = await services.read(resolve_labels, services.blobs, context.owner, names)
    return [
        MatchedLabel(name=name, label=VocabularyLabel.of(found[name]) if name in found else None)
        for name in names
    ]


async def find_label(
    info: Info[Context, None],
    name: Annotated[
        str,
        strawberry.argument(
            description="Name of the label, or an alias, another word or a plural of it; its case "
            "is ignored."
        ),
    ],
) -> VocabularyLabel | None:
    """Find one label in use."""
    (matched,) = await match_labels(info.context, [name])
    return matched.label


async def list_labels(
    info: Info[Context, None],
    prefix: Annotated[
        str | None,
        strawberry.argument(
            description="Start of the name; its case is ignored. It finds the labels of your own "
            "vocabulary too, also those that no blob has, by names and aliases. From three "
            "letters on it finds labels by other words and plurals."
        ),
    ] = UNSET,
    order_by: Annotated[
        SummaryOrder, strawberry.argument(description="Order of the labels.")
    ] = SummaryOrder.NAME,
    first: First = 20,
    after: After = UNSET,
) -> VocabularyLabelConnection:
    """List labels in use."""
    context = info.context
    services, blobs = context.services, context.services.blobs
    scope = ("labels", context.owner, (prefix or "").casefold(), order_by)
    by_count = order_by is SummaryOrder.BLOB_COUNT
    position = decode_cursor(scope, after, [int, str] if by_count else [str]) if after else None
    place: Any = position if by_count or position is None else position[0]
    find = blobs.find_labels_by_count if by_count else blobs.find_labels
    page = await services.read(
        find, context.owner, prefix or "", first=check_first(first), after=place
    )
    words: Mapping[str, tuple[str | None, LabelSummary]] = {}
    if prefix:
        words = await services.read(find_labels_by_word, blobs, context.owner, prefix)
        rank = _rank_by_count if by_count else _rank_by_name
        behind = (-int(position[0]), str(position[1])) if by_count and position else position
        others = (summary for _, summary in words.values())
        page = merge_labels(page, others, first, rank, behind)
    return _connection(page.map(VocabularyLabel.of), scope, words, by_count=by_count, after=after)


def _rank_by_name(summary: LabelSummary) -> tuple[object, ...]:
    return (summary.name.casefold(),)


def _rank_by_count(summary: LabelSummary) -> tuple[object, ...]:
    return (-summary.blob_count, summary.name.casefold())


def _connection(
    page: Page[VocabularyLabel],
    scope: Sequence[object],
    words: Mapping[str, tuple[str | None, LabelSummary]],
    *,
    by_count: bool,
    after: str | None,
) -> VocabularyLabelConnection:
    cursors = encode_cursors(
        scope,
        ((each.blob_count, each.folded) if by_count else (each.folded,) for each in page.items),
    )
    edges = [
        VocabularyLabelEdge(
            cursor=cursor,
            node=label,
            matched_word=words[label.folded][0] if label.folded in words else None,
        )
        for cursor, label in zip(cursors, page.items, strict=True)
    ]
    return VocabularyLabelConnection(
        edges=edges,
        nodes=list(page.items),
        page_info=page_info(cursors, page.has_next, after),
    )


async def _find(context: Context, labels: Sequence[str]) -> dict[str, VocabularyLabel]:
    """Return the caller's labels in use, by folded name."""
    services = context.services
    found = await services.read(services.blobs.find_label_summaries, context.owner, set(labels))
    own = (await context.vocabularies.load(context.owner)).by_name
    unused = (label for label in labels if label in own and label not in found)
    found = {**found, **{label: LabelSummary(own[label].name, 0) for label in unused}}
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
