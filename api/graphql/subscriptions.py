"""The Subscription type."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.errors import Code, RequestError
from api.graphql.context import Context
from api.graphql.queries import BlobId
from api.graphql.types import Blob
from core.domain.blob import BlobStatus
from core.domain.clock import is_id
from core.events.topics import blob_topic, labelled_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from core.domain import blob as domain

_FINAL = frozenset({BlobStatus.LABELLED, BlobStatus.FAILED, BlobStatus.EXPIRED})


@strawberry.type(description="Events. The client receives its selection once for each.")
class Subscription:
    @strawberry.subscription(
        description="The current state of a blob, then each change. Completes when the blob is "
        "LABELLED, FAILED or EXPIRED, and when it is deleted. The error code is NOT_FOUND when "
        "you have no such blob."
    )
    async def blob_changed(
        self, info: Info[Context, None], id: BlobId
    ) -> AsyncGenerator[Blob, None]:
        """Follow one blob."""
        context = info.context
        if not is_id(id):
            raise _not_found(id)
        async with _listen(context, blob_topic(id)) as changes:
            found = await context.services.read(context.services.blobs.find, context.owner, [id])
            blob = found.get(id)
            if blob is None:
                raise _not_found(id)
            yield Blob.of(blob)
            if blob.status in _FINAL:
                return
            seen = blob.version
            async for changed in changes:
                if changed is None:
                    return
                if changed.version <= seen:  # older than the state that was read
                    continue
                seen = changed.version
                context.forget()
                yield Blob.of(changed)
                if changed.status in _FINAL:
                    return

    @strawberry.subscription(
        description="Each of your blobs when it has been labelled, or labelled again; with "
        "`label`, only blobs that have that label."
    )
    async def blob_labelled(
        self,
        info: Info[Context, None],
        label: Annotated[
            str | None,
            strawberry.argument(description="Name of the label; its case is ignored."),
        ] = UNSET,
        min_confidence: Annotated[
            float,
            strawberry.argument(
                description="Minimum confidence of that label, from 0 to 100; without `label`, of "
                "any label."
            ),
        ] = 0,
    ) -> AsyncGenerator[Blob, None]:
        """Follow blobs that are labelled."""
        context = info.context
        async with _listen(context, labelled_topic(context.owner)) as changes:
            async for blob in changes:
                if blob and has_label(blob, label or None, min_confidence):
                    context.forget()
                    yield Blob.of(blob)


def has_label(blob: domain.Blob, label: str | None, min_confidence: float) -> bool:
    """Tell whether a blob has a label (None: any) with at least that confidence."""
    if label is None and min_confidence <= 0:
        return True
    wanted = None if label is None else label.casefold()
    return any(
        wanted in (None, each.name.casefold()) and each.confidence >= min_confidence
        for each in blob.labels or ()
    )


def _listen(
    context: Context, topic: str
) -> AbstractAsyncContextManager[AsyncIterator[domain.Blob | None]]:
    pubsub = context.services.pubsub
    if pubsub is None:
        raise RequestError(Code.BAD_REQUEST, "This transport has no subscriptions.")
    return pubsub.listen(topic)


def _not_found(blob_id: str) -> RequestError:
    return RequestError(Code.NOT_FOUND, f"You have no blob {blob_id[:40]!r}.")
