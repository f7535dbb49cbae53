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
from api.graphql.queries import Id
from api.graphql.types import Blob
from core.domain.blob import BlobStatus
from core.domain.clock import is_id
from core.events.topics import blob_topic, labelled_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from core.domain import blob as domain

_LAST = frozenset({BlobStatus.LABELLED, BlobStatus.FAILED, BlobStatus.EXPIRED})


@strawberry.type(description="What can be listened to; each event is answered with the selection.")
class Subscription:
    @strawberry.subscription(
        description="A blob's state at once, then each change; completes when it is LABELLED, "
        "FAILED or EXPIRED, and when it is deleted. NOT_FOUND when you have no such blob."
    )
    async def blob_changed(self, info: Info[Context, None], id: Id) -> AsyncGenerator[Blob, None]:
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
            if blob.status in _LAST:
                return
            seen = blob.version
            async for changed in changes:
                if changed is None:
                    return
                if changed.version <= seen:  # before it was read
                    continue
                seen = changed.version
                context.forget()
                yield Blob.of(changed)
                if changed.status in _LAST:
                    return

    @strawberry.subscription(
        description="Each blob of yours when it has been labelled, or labelled anew; with a label, "
        "only those that carry it."
    )
    async def blob_labelled(
        self,
        info: Info[Context, None],
        label: Annotated[
            str | None, strawberry.argument(description="Its name, in any case.")
        ] = UNSET,
        min_confidence: Annotated[
            float,
            strawberry.argument(
                description="From 0 to 100: of that label, or of any when none is named."
            ),
        ] = 0,
    ) -> AsyncGenerator[Blob, None]:
        """Follow what is labelled."""
        context = info.context
        async with _listen(context, labelled_topic(context.owner)) as changes:
            async for blob in changes:
                if blob and carries(blob, label or None, min_confidence):
                    context.forget()
                    yield Blob.of(blob)


def carries(blob: domain.Blob, label: str | None, min_confidence: float) -> bool:
    """Tell whether a blob carries a label (None: any at all) with such confidence at the least."""
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
        raise RequestError(Code.BAD_REQUEST, "Nothing can be listened to here.")
    return pubsub.listen(topic)


def _not_found(blob_id: str) -> RequestError:
    return RequestError(Code.NOT_FOUND, f"There is no blob {blob_id[:40]!r} of yours.")
