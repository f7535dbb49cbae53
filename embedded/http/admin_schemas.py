"""The bodies of the operator's routes, from which their OpenAPI document is made."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003  # the schemas are made from the annotations
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.domain.blob import BlobStatus  # noqa: TC001
from core.domain.delivery import DeliveryState  # noqa: TC001
from core.domain.scope import Scope  # noqa: TC001
from embedded.checks.findings import Severity  # noqa: TC001

EndedState = Literal["delivered", "exhausted", "gone", "rejected", "cancelled"]


def _open(schema: dict[str, Any]) -> None:
    """Let clients accept members that a later version adds; the tests accept none."""
    schema.pop("additionalProperties", None)


class Body(BaseModel):
    """The body of a response."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_open)


class Versions(Body):
    """Versions of the service and of what it stands on. `layout` is the database's."""

    labelling: str
    python: str
    sqlite: str
    onnxruntime: str | None
    layout: int


class Process(Body):
    """A process of the service; one that has ended has no memory."""

    name: str = Field(examples=["detector-0"])
    pid: int
    resident_bytes: int | None


class Running(Body):
    """What only the running service knows. A check without a fault is null."""

    started_at: datetime
    detector: str
    checks: dict[str, str | None]
    processes: list[Process]


class Owner(Body):
    """An owner and what it uses. `bytes` is null until it was measured."""

    owner: str
    blobs: int
    bytes: int | None
    open_uploads: int
    failed: int
    keys: int
    last_used_at: datetime | None


class Limits(Body):
    """Limits of each owner."""

    uploads_per_minute: int
    open_uploads: int
    requests_per_second: int
    max_upload_bytes: int


class QueueDepth(Body):
    """Messages of a queue. `oldest_seconds` is how long the first has been due."""

    due: int
    later: int
    dead: int
    oldest_seconds: float


class Deliveries(Body):
    """Webhooks: pending, and those that ended within a day, with the reasons of failures."""

    pending: int
    next_attempt_at: datetime | None
    last_day: dict[EndedState, int]
    failures: dict[str, int]


class Disk(Body):
    """Bytes on the disk. `originals_in` is a bucket; null: the data folder."""

    database_bytes: int
    wal_bytes: int
    copies_bytes: int
    originals_in: str | None
    originals_bytes: int | None
    derived_bytes: int | None
    measured_at: datetime | None
    free_bytes: int
    total_bytes: int
    reserve_bytes: int


class Backups(Body):
    """Scheduled backups: where, how often, the age of the last, and what it lacks."""

    to: str | None
    every_hours: float | None
    age_seconds: float | None
    lacking: int | None


class Status(Body):
    """What the data folder holds, what waits in it, and what runs."""

    at: datetime
    folder: str
    running: bool
    service: Running | None
    versions: Versions
    blobs: dict[BlobStatus, int]
    owners: list[Owner]
    limits: Limits
    queues: dict[str, QueueDepth]
    deliveries: Deliveries
    webhooks_waiting: dict[str, int]
    endpoints_waiting: int
    endpoints_disabled: int
    keys: int
    disk: Disk
    database_bytes: int
    disk_free_bytes: int
    backups: Backups
    last_backup: datetime | None


class Finding(Body):
    """What a check found, with what to do."""

    check: str
    severity: Severity
    text: str


class Findings(Body):
    """What `labelling doctor` finds."""

    at: datetime
    items: list[Finding]


class Key(Body):
    """An API key, without what it is."""

    id: str
    created_at: datetime
    owner: str
    scopes: list[Scope]
    expires_at: datetime | None
    last_used_at: datetime | None
    name: str


class Endpoint(Body):
    """An endpoint that is disabled, or that has pending webhooks."""

    owner: str
    url: str
    disabled_at: datetime | None
    pending: int
    next_attempt_at: datetime | None


class Delivery(Body):
    """A webhook. `attempts` is their number."""

    id: str
    blob_id: str
    owner: str
    url: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    last_error: str | None
    reason: str | None


class DeadLetter(Body):
    """A message that failed too often. `subject` is the id of a blob or of a webhook."""

    queue: str
    id: str
    sent_at: datetime
    receives: int
    owner: str | None
    subject: str | None
    reason: str
    error: str | None


class Owners(Body):
    """A page of owners, those with the most blobs first."""

    items: list[Owner]
    has_next: bool


class Keys(Body):
    """A page of API keys, oldest first."""

    items: list[Key]
    has_next: bool


class Endpoints(Body):
    """A page of endpoints, the disabled ones first."""

    items: list[Endpoint]
    has_next: bool


class DeliveryPage(Body):
    """A page of webhooks."""

    items: list[Delivery]
    has_next: bool


class DeadLetters(Body):
    """A page of dead letters, oldest first."""

    items: list[DeadLetter]
    has_next: bool


class Retried(Body):
    """How many messages were sent back to their queue."""

    retried: int


class Discarded(Body):
    """How many messages were deleted."""

    discarded: int


class Sent(Body):
    """Whether a webhook is sent again; false: it is on its way already."""

    sent: bool


class Enabled(Body):
    """The endpoint that gets webhooks again."""

    enabled: str


class Revoked(Body):
    """The id of the key that was revoked."""

    revoked: str
