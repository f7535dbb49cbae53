"""The Subscription type."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry import UNSET
from strawberry.types import Info

from api.errors import Code, RequestError
from api.graphql.context import Context
from api.graphql.event_types import MAX_BLOB_IDS, BlobEvent, EventFilter, read_event_filter
from core.domain.blob_event import state_event
from core.domain.clock import is_id
from core.events.topics import blob_topic, topics_for

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from api.services.pubsub import EventStream
    from core.domain import blob_event as domain


@strawberry.type(description="Events. The client receives its selection once for each.")
class Subscription:
    @strawberry.subscription(
        description="Each change of your blobs, as it happens. Without `blobIds`, of all blobs, "
        "from now on and without end. With `blobIds`, the events that led to their states are sent "
        "at once; a blob has ended with its first event LABELLED, FAILED, EXPIRED or DELETED, and "
        "where `kinds` names EDITED or DELETED, only with DELETED. When all have ended, the "
        "subscription completes. The error code is NOT_FOUND when you have no blob with one of "
        "the ids. After a reconnection an event may be sent again, with the same id."
    )
    async def blob_events(
        self,
        info: Info[Context, None],
        filter: Annotated[
            EventFilter | None,
            strawberry.argument(
                description=f"Which events to send; at most {MAX_BLOB_IDS} `blobIds`."
            ),
        ] = UNSET,
    ) -> AsyncGenerator[BlobEvent, None]:
        """Follow blobs."""
        context = info.context
        wanted = read_event_filter(filter)
        _require(each for each in wanted.blob_ids if not is_id(each))
        async with (
            _listen(context, topics_for(context.owner, wanted)) as stream,
            aclosing(_events(context, stream, wanted)) as events,
        ):
            async for event in events:
                if wanted.accepts(event):
                    context.forget()
                    yield BlobEvent.of(event)


async def _events(
    context: Context, stream: EventStream, wanted: domain.EventFilter
) -> AsyncGenerator[domain.BlobEvent, None]:
    """Yield the events of a subscription's topics until it completes."""
    following = set(wanted.blob_ids)
    seen: dict[str, int] = {}  # the versions of their states that were read

    def ends_with(event: domain.BlobEvent) -> bool:
        if event.blob_id in following and wanted.is_last(event):
            following.discard(event.blob_id)
            seen.pop(event.blob_id, None)
            stream.end(blob_topic(event.blob_id))
            return not following
        return False

    if following and not stream.resumed:
        for event in await _states(context, following):
            seen[event.blob_id] = event.version
            yield event
            if ends_with(event):
                return
    async for event in stream:
        if event.owner == context.owner and event.version > seen.get(event.blob_id, 0):
            yield event
            if ends_with(event):
                return


async def _states(context: Context, blob_ids: Collection[str]) -> list[domain.BlobEvent]:
    found = await context.services.read(context.services.blobs.find, context.owner, blob_ids)
    _require(set(blob_ids) - found.keys())
    return [state_event(found[blob_id]) for blob_id in sorted(found)]


def _listen(context: Context, topics: Collection[str]) -> AbstractAsyncContextManager[EventStream]:
    pubsub = context.services.pubsub
    if pubsub is None:
        raise RequestError(Code.BAD_REQUEST, "This transport has no subscriptions.")
    return pubsub.listen(topics)


def _require(missing: Iterable[str]) -> None:
    """Raise RequestError if there are ids of which the owner has no blob."""
    if ids := sorted(missing):
        names = ", ".join(repr(each[:40]) for each in ids)
        raise RequestError(Code.NOT_FOUND, f"You have no blob {names}.", blobIds=ids)
