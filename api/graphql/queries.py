"""The Query type."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

from collections.abc import Sequence
from typing import Annotated

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.graphql.blob_lists import PAGES, BlobConnection, BlobFilter, list_blobs
from api.graphql.connections import After, First
from api.graphql.context import Context
from api.graphql.label_policy import LabelPolicy, find_label_policy
from api.graphql.labelled_blobs import list_blobs_by_label
from api.graphql.node import Node
from api.graphql.nodes import UNPREFIXED, find_nodes, register_nodes
from api.graphql.own_vocabulary import Vocabulary, find_vocabulary
from api.graphql.search import search
from api.graphql.similar import SEARCH
from api.graphql.types import Blob
from api.graphql.vocabulary import find_label, list_labels
from api.graphql.webhook_types import WebhookDelivery, WebhookEndpoint, find_deliveries
from core.domain.blob_list import BlobOrder
from core.domain.errors import InvalidValue
from core.domain.pagination import MAX_PAGE
from core.domain.scope import Scope
from core.repositories.ports.blobs import MAX_LABELS_SORTED

BlobId = Annotated[strawberry.ID, strawberry.argument(description="Id of the blob.")]


@strawberry.type(description="The caller, as its API key or token identifies it.")
class Viewer:
    owner: str = strawberry.field(description="Name of the owner whose blobs the caller uses.")
    scopes: list[str] = strawberry.field(
        description="What the key or token allows: `read`, `upload`, `edit`, `delete`, `admin`; "
        "more may be added."
    )

    @strawberry.field(
        description="Which labels the owner's blobs show of what the detector finds, and by which "
        "names."
    )
    async def label_policy(self, info: Info[Context, None]) -> LabelPolicy:
        """Return the owner's label policy."""
        return await find_label_policy(info.context)

    @strawberry.field(description="The labels that the owner defines.")
    async def vocabulary(self, info: Info[Context, None]) -> Vocabulary:
        """Return the owner's own vocabulary."""
        return await find_vocabulary(info.context)


@strawberry.type(description="Queries. Each returns only what the caller owns.")
class Query:
    @strawberry.field(
        description="The owner and the scopes of the caller, for any valid key or token."
    )
    def viewer(self, info: Info[Context, None]) -> Viewer:
        """Return the owner and the scopes of the caller."""
        caller = info.context.caller
        return Viewer(
            owner=caller.owner, scopes=[scope.value for scope in Scope if scope in caller.scopes]
        )

    @strawberry.field(description="A node by its id; null when there is none.")
    async def node(
        self,
        info: Info[Context, None],
        id: Annotated[strawberry.ID, strawberry.argument(description="Id of the node.")],
    ) -> Node | None:
        """Find one node."""
        return (await find_nodes(info.context, [id]))[0]

    @strawberry.field(
        description="Nodes by id, in the order of `ids`; null for each that does not exist. At "
        f"most {MAX_PAGE}."
    )
    async def nodes(
        self,
        info: Info[Context, None],
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Ids of the nodes.")],
    ) -> list[Node | None]:
        """Find many nodes."""
        if len(ids) > MAX_PAGE:
            raise InvalidValue("ids", f"at most {MAX_PAGE}, not {len(ids)}")
        return await find_nodes(info.context, ids)

    @strawberry.field(description="A blob by its id; null when there is none.")
    async def blob(self, info: Info[Context, None], id: BlobId) -> Blob | None:
        """Find one blob."""
        return (await _blobs(info.context, [id])).get(id)

    @strawberry.field(
        description=f"Your blobs, newest first unless `orderBy` says otherwise. {PAGES}"
    )
    async def blobs(
        self,
        info: Info[Context, None],
        first: First = 20,
        after: After = UNSET,
        filter: Annotated[
            BlobFilter | None, strawberry.argument(description="Which blobs to list.")
        ] = UNSET,
        order_by: Annotated[
            BlobOrder, strawberry.argument(description="Order of the blobs.")
        ] = BlobOrder.NEWEST,
    ) -> BlobConnection:
        """List blobs."""
        return await list_blobs(info.context, filter or None, order_by, first, after or None)

    blobs_by_label = strawberry.field(
        resolver=list_blobs_by_label, description=f"Your blobs that have a label. {PAGES}"
    )
    search = strawberry.field(resolver=search, description=SEARCH)
    label = strawberry.field(
        resolver=find_label,
        description="A label in use by its name, or another word for it, or one of your own "
        "vocabulary; null when there is none.",
    )
    labels = strawberry.field(
        resolver=list_labels,
        description="Labels in use, for browsing and completion. With a prefix, and on AWS always, "
        f"BLOB_COUNT sorts at most {MAX_LABELS_SORTED:,} labels, and is rejected where there are "
        "more.",
    )

    @strawberry.field(
        description="A webhook by its id, which its receiver sees as webhook-id, also that of a "
        "test event; null when there is none."
    )
    async def webhook_delivery(
        self,
        info: Info[Context, None],
        id: Annotated[strawberry.ID, strawberry.argument(description="Id of the webhook.")],
    ) -> WebhookDelivery | None:
        """Find one webhook."""
        return (await find_deliveries(info.context, [id])).get(id)

    @strawberry.field(
        description="Your endpoints that answered 410 Gone, in the order in which they were "
        "disabled. Nothing is sent to them until enableWebhookEndpoint."
    )
    async def disabled_webhook_endpoints(self, info: Info[Context, None]) -> list[WebhookEndpoint]:
        """List disabled endpoints."""
        context = info.context
        found = await context.services.read(
            context.services.deliveries.disabled_endpoints, context.owner
        )
        return [WebhookEndpoint.of(each) for each in found]


async def _blobs(context: Context, ids: Sequence[str]) -> dict[str, Blob]:
    found = await context.services.read(context.services.blobs.find, context.owner, set(ids))
    return {blob_id: Blob.of(blob) for blob_id, blob in found.items()}


register_nodes(UNPREFIXED, _blobs)
