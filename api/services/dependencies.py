"""What the API stands on, handed in by whoever runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from core.domain.scope import EVERYTHING, Scope
from core.runtime.metrics import Meter, no_meter

if TYPE_CHECKING:
    from datetime import datetime

    from api.services.pubsub import Live
    from core.domain.blob import Blob
    from core.domain.clock import Clock
    from core.domain.webhook_url import CallbackRules
    from core.repositories.ports.blobs import BlobRecords, DeliveryRecords, OwnerRecords
    from core.repositories.ports.uploads import UploadRecords
    from core.storage.base import Originals

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: acts for `owner`, as far as `scopes` go and until `expires_at` (None: no end)."""

    owner: str
    scopes: frozenset[Scope] = EVERYTHING
    expires_at: datetime | None = None


class OffLoop(Protocol):
    """Makes a blocking call so that the event loop goes on serving others meanwhile."""

    def __call__(  # noqa: D102
        self, call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[R]: ...


async def off_loop(call: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Make a blocking call in a thread, so that the event loop goes on serving others."""
    from anyio.to_thread import run_sync  # not for a Lambda's start  # noqa: PLC0415

    return await run_sync(lambda: call(*args, **kwargs))


Authenticate = Callable[[str | None], Awaitable[Caller]]


def no_thumbnail(_blob: Blob) -> None:
    """Have no thumbnails."""


@dataclass(frozen=True, slots=True)
class Services:
    """The stores, and how to learn who asks.

    `authenticate` takes the Authorization header and returns the caller, or raises
    `api.errors.Unauthenticated`. `max_upload_bytes` bounds one picture.
    `callback_rules` says where webhooks may go. `hint` has the notifier look at a delivery at once,
    by its id. `thumbnail_url` signs a URL of a blob's thumbnail, where there are any. `relabel` has
    the labeller label a finished blob again; what it was told survives the end of this process.
    `read` makes calls that only read a store. `live` tells of changes; None where no transport
    streams.
    """

    blobs: BlobRecords
    uploads: UploadRecords
    deliveries: DeliveryRecords
    owners: OwnerRecords
    originals: Originals
    clock: Clock
    authenticate: Authenticate
    max_upload_bytes: int
    hint: Callable[[str], None]
    relabel: Callable[[Blob], None]
    callback_rules: CallbackRules
    thumbnail_url: Callable[[Blob], str | None] = no_thumbnail
    live: Live | None = None
    meter: Meter = no_meter
    read: OffLoop = off_loop
