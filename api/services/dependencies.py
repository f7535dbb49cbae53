"""The stores and functions that the API uses, passed in by its entry points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.services.deprecated_uses import DeprecatedUses
from api.threads import RunInThread, run_in_thread
from core.runtime.metrics import Metrics, no_metrics
from core.runtime.tracing import Tracer, no_tracer

if TYPE_CHECKING:
    from api.auth.caller import Authenticate, Caller
    from api.auth.sessions import Sessions
    from api.services.pubsub import PubSub
    from core.domain.blob import Blob
    from core.domain.clock import Clock
    from core.domain.thumbnail import ThumbnailSize
    from core.domain.webhook_url import CallbackRules
    from core.repositories.ports.audit import AuditAction
    from core.repositories.ports.blobs import BlobRepository
    from core.repositories.ports.deliveries import DeliveryRepository
    from core.repositories.ports.owners import OwnerRepository
    from core.repositories.ports.similar import SimilarBlobs
    from core.repositories.ports.uploads import UploadRepository
    from core.storage.base import ObjectStorage


def check_no_space(_size: int) -> None:
    """Do nothing: the storage has no bound."""


def audit_nothing(_caller: Caller, _action: AuditAction, _subject: str) -> None:
    """Do nothing: there is no audit log."""


def admit_all(_authorization: str | None) -> None:
    """Do nothing: there is no rate limit."""


def release_no_space() -> None:
    """Do nothing: the storage has no reserve."""


def no_thumbnail(_blob: Blob, _size: ThumbnailSize) -> None:
    """Return None: there are no thumbnails."""


@dataclass(frozen=True, slots=True)
class Services:
    """The stores and functions that the API uses.

    `authenticate` takes the Authorization header and returns the caller, or raises
    `api.errors.Unauthenticated`. `max_upload_bytes` is the limit for one image;
    `require_size_bytes` refuses uploads that do not declare their size. `callback_rules`
    decide which callback URLs are allowed. `enqueue_delivery` takes a delivery's id and makes the
    notifier attempt it soon. `relabel` makes the labeller label a finished blob again, even after a
    crash of this process. `thumbnail_url` signs the URL of a blob's thumbnail; None: there is none.
    `pubsub` delivers changes to subscriptions; None where no transport streams.
    `similar` finds similar pictures, also by a text; None where the service can't compare pictures.
    `read` runs calls that only read a store, `search` those of `similar`, `write` those that
    change one. `check_space` raises
    StorageFull where so many bytes can't be stored; `release_space` makes a reserve available to a
    deletion on a full disk.
    `admit` counts an operation on a connection that was authenticated before, by its Authorization
    header, and raises `api.errors.TooManyRequests`.
    `sessions` signs those of browsers; None where the service serves no pages.
    `audit` stores what a caller has done to the subject of an id.
    `deprecated_uses` counts uses of deprecated elements of the schema.
    """

    blobs: BlobRepository
    uploads: UploadRepository
    deliveries: DeliveryRepository
    owners: OwnerRepository
    storage: ObjectStorage
    clock: Clock
    authenticate: Authenticate
    max_upload_bytes: int
    enqueue_delivery: Callable[[str], None]
    relabel: Callable[[Blob], None]
    callback_rules: CallbackRules
    require_size_bytes: bool = False
    thumbnail_url: Callable[[Blob, ThumbnailSize], str | None] = no_thumbnail
    pubsub: PubSub | None = None
    similar: SimilarBlobs | None = None
    metrics: Metrics = no_metrics
    tracer: Tracer = no_tracer
    read: RunInThread = run_in_thread
    search: RunInThread = run_in_thread
    write: RunInThread = run_in_thread
    check_space: Callable[[int], None] = check_no_space
    release_space: Callable[[], None] = release_no_space
    admit: Callable[[str | None], None] = admit_all
    sessions: Sessions | None = None
    audit: Callable[[Caller, AuditAction, str], None] = audit_nothing
    deprecated_uses: DeprecatedUses = field(default_factory=DeprecatedUses)
