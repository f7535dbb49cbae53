"""The record ports: blobs, deliveries, owners. Every list and look-up is within one owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from core.domain.scope import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from core.domain.blob import Blob, BlobStatus
    from core.domain.delivery import (
        Attempt,
        Claim,
        Delivery,
        DeliveryState,
        DisabledEndpoint,
        Verdict,
    )
    from core.domain.label_filter import LabelFilter
    from core.domain.owner import Owner
    from core.domain.pagination import Page
    from core.domain.scope import Scope


# How long it is known that a blob was deleted: longer than any event of its bytes is kept.
DELETION_KEPT: Final = timedelta(days=35)


class LabelOrder(StrEnum):
    """How `find_by_label` sorts: newest first, or most confident first (ties newest first)."""

    NEWEST = "NEWEST"
    CONFIDENCE = "CONFIDENCE"


@dataclass(frozen=True, slots=True)
class BlobFilter:
    """Which blobs to list. No statuses means any; times are [after, before).

    `sha256` is of their bytes, in base64: what arrived, or what is declared of what is to.
    """

    statuses: tuple[BlobStatus, ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    sha256: str | None = None


# How many label entries are looked at for one page of `find_by_labels`.
LOOKED_AT: Final = 1000


@dataclass(frozen=True, slots=True)
class LabelledBlob:
    """A blob found by one of its labels, with that label's confidence (0 to 100)."""

    blob: Blob
    confidence: float


@dataclass(frozen=True, slots=True)
class LabelSummary:
    """A label in use, and how many of the owner's blobs carry it."""

    name: str
    blob_count: int


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's record: its SHA-256 (hex) only, never the key.

    It opens what `scopes` name, until `expires_at` (None: until it is revoked).
    """

    hash: str
    owner: str
    name: str
    created_at: datetime
    scopes: frozenset[Scope] = EVERYTHING
    expires_at: datetime | None = None


class BlobRecords(Protocol):
    """Blobs, their label index and the summaries of labels in use."""

    def create(self, blob: Blob) -> None:
        """Keep a new blob. Raises AlreadyExists."""

    def save(self, blob: Blob, replaced: Blob) -> None:
        """Put a blob in place of the version before it, as that was read, with its label entries.

        Raises:
            VersionConflict: another version is on record (or none).

        """

    def delete(self, blob: Blob, at: datetime) -> None:
        """Forget a blob as it was read, and its label entries; that it was is known for a while.

        Raises:
            VersionConflict: another version is on record (or none).

        """

    def was_deleted(self, owner: str, blob_id: str) -> bool:
        """Tell whether a blob of the owner's was deleted, for DELETION_KEPT and maybe longer."""

    def find_deleted(self, before: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Return (owner, id) of blobs deleted before then whose deletion is not settled.

        The earliest first.
        """

    def settle_deleted(self, blob_id: str) -> None:
        """Note that nothing of a deleted blob is left: `find_deleted` names it no more."""

    def get(self, blob_id: str) -> Blob | None:
        """Return a blob whoever owns it: for the labeller, which acts for the service."""

    def find(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Blob]:
        """Return those of the blobs that exist and are the owner's, by id."""

    def find_by_owner(
        self, owner: str, wanted: BlobFilter, *, first: int, after: str | None = None
    ) -> Page[Blob]:
        """List an owner's blobs, newest first, from behind the id `after`."""

    def scan(
        self, owner: str | None, first: int, after: str | None = None
    ) -> tuple[Sequence[Blob], str | None]:
        """Read all blobs, of one owner or of every one, in any order: for the operator.

        Returns about `first` of them, and what is `after` for the next; None when no more follow.
        A blob that stays as it is while all are read is met once.
        """

    def find_by_label(
        self,
        owner: str,
        label: str,
        *,
        min_confidence: float,
        order: LabelOrder,
        first: int,
        after: tuple[float, str] | None = None,
    ) -> Page[LabelledBlob]:
        """List an owner's blobs with that label (case aside), from behind (confidence, id)."""

    def find_by_labels(
        self, owner: str, wanted: LabelFilter, *, first: int, after: str | None = None
    ) -> Page[Blob]:
        """List an owner's blobs by several labels, newest first, from behind the id `after`.

        `wanted` names one in `all` or `any` at least. About LOOKED_AT entries are looked at; a page
        that ends there may be short, or without items, and says what was `reached`.
        """

    def find_labels(
        self, owner: str, prefix: str, *, first: int, after: str | None = None
    ) -> Page[LabelSummary]:
        """List an owner's labels in use that start with `prefix` (case aside), by name.

        `after` is the folded name (`str.casefold`) behind which to go on.
        """

    def count_labels(self, owner: str, blob_id: str, version: int, names: Collection[str]) -> None:
        """Make the summaries count `names` for the blob, in place of what they counted before.

        Told of the same or an older version again, or of a deleted blob, it changes nothing.
        """

    def uncount_labels(self, owner: str, blob_id: str) -> None:
        """Make the summaries count nothing for a blob that was deleted."""

    def find_abandoned(self, before: datetime, limit: int) -> Sequence[Blob]:
        """Return blobs of any owner created before then and still awaiting their upload."""


class DeliveryRecords(Protocol):
    """Webhook deliveries, their attempts, and the endpoints they go to.

    At most so many attempts at an owner's endpoint are under lease at a time (PER_ENDPOINT, unless
    a store is told otherwise). What finds no room waits in the endpoint's line: no hint is due for
    it until `next_in_line` names it.
    """

    def add(self, delivery: Delivery) -> bool:
        """Keep a new delivery; True when a hint at it is due.

        False when it waits in line, and when that id is known already or its blob was deleted:
        then nothing changes.
        """

    def claim(self, delivery_id: str, now: datetime, lease_for: timedelta) -> Claim | None:
        """Take the right to attempt a delivery, recording the attempt as begun.

        None when it is not pending, not due yet, or another holds its lease; or when its endpoint
        has no room: it then waits in line.
        """

    def finish(self, claim: Claim, attempt: Attempt, verdict: Verdict) -> bool:
        """Record an attempt's outcome; False, and nothing changed, when the lease was lost."""

    def next_in_line(self, owner: str, endpoint: str, now: datetime) -> Sequence[str]:
        """Let out of an endpoint's line as many as it has room for, the longest due first.

        A hint at each is due to whoever asked.
        """

    def redeliver(self, delivery_id: str, now: datetime) -> bool:
        """Make a delivery due now, whatever its state; True when a hint at it is due.

        One at its end starts its schedule anew, and keeps the last of its attempts. One that is
        under lease, or waits in line, stays as it is.
        """

    def remove(self, blob_id: str, now: datetime) -> Sequence[str]:
        """Forget a blob's deliveries: what is under way is not recorded, the rest is not sent.

        Others may have waited behind them: a hint at each of those returned is due.
        """

    def find(self, owner: str, delivery_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return those of the deliveries that exist and are the owner's, by id."""

    def get(self, delivery_id: str) -> Delivery | None:
        """Return a delivery whoever owns it: for the operator."""

    def latest(self, owner: str, blob_ids: Collection[str]) -> Mapping[str, Delivery]:
        """Return the newest delivery of each of the owner's blobs that has one, by blob id."""

    def find_due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return ids of pending deliveries that are due and not under lease.

        The most overdue of each endpoint come first, then the second of each, and so on: no
        endpoint's backlog hides another's. Those in line are among them after LINE_CHECK.
        """

    def find_by_state(
        self, state: DeliveryState, *, owner: str | None = None, since: datetime | None = None
    ) -> Iterator[Delivery]:
        """List deliveries of a state, of one owner or all: for the operator.

        Pending ones by when they are looked at next; others latest first, from those that ended
        at `since`.
        """

    def disable_endpoint(self, owner: str, endpoint: str, now: datetime) -> None:
        """Note that nothing more is to be sent to an owner's endpoint. Repeated, no change."""

    def enable_endpoint(self, owner: str, endpoint: str) -> bool:
        """Let deliveries go to an endpoint again; False when it was not disabled."""

    def disabled_endpoints(self, owner: str) -> Sequence[DisabledEndpoint]:
        """List an owner's disabled endpoints, the first disabled first."""


class OwnerRecords(Protocol):
    """Owners and their API keys."""

    def owner(self, owner_id: str) -> Owner:
        """Return the owner; its record and first webhook secret are made at first sight."""

    def find_owner(self, owner_id: str) -> Owner | None:
        """Return the owner if it has been seen."""

    def save_owner(self, owner: Owner, replaced: Owner) -> bool:
        """Put an owner's record in place of the one that was read.

        False, and nothing changed, when it is no longer as it was read.
        """

    def add_key(self, key: ApiKey) -> None:
        """Keep an API key's record."""

    def find_key(self, key_hash: str) -> ApiKey | None:
        """Return the record of the key with that SHA-256."""

    def list_keys(self) -> Sequence[ApiKey]:
        """List all API keys, oldest first."""

    def remove_key(self, key_hash: str) -> bool:
        """Forget a key: it opens nothing from now on. False when there was none."""
