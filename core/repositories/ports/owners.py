"""The port of owners and their API keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from core.domain.errors import Unavailable
from core.domain.scope import ALL_SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from core.domain.owner import Owner
    from core.domain.scope import Scope


_MAX_ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The record of an API key. `hash` is its SHA-256 (hex); the key itself is not stored.

    The key grants `scopes` until `expires_at` (None: until it is removed).
    """

    hash: str
    owner: str
    name: str
    created_at: datetime
    scopes: frozenset[Scope] = ALL_SCOPES
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


class OwnerRepository(Protocol):
    """Owners and their API keys. Where it has encryption keys, it encrypts owners' secrets."""

    def get_or_create(self, owner_id: str) -> Owner:
        """Return an owner; create its record and first webhook secret if there is none."""

    def find_owner(self, owner_id: str) -> Owner | None:
        """Return an owner, if its record exists."""

    def stored_secrets(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Yield each owner's id, and its secrets and private keys as they are stored."""

    def save_owner(self, owner: Owner, replaced: Owner) -> bool:
        """Replace an owner's record, as it was read.

        Return False, and change nothing, if the stored record differs from `replaced`.
        """

    def add_key(self, key: ApiKey) -> None:
        """Store an API key's record. Raises AlreadyExists."""

    def find_key(self, key_hash: str) -> ApiKey | None:
        """Return the record of the key with this SHA-256, if there is one."""

    def list_keys(self) -> Sequence[ApiKey]:
        """Return the records of all API keys, oldest first."""

    def note_key_use(self, key_hash: str, at: datetime) -> None:
        """Store when a key was used, if it exists. A power cut may lose it."""

    def end_key(self, key_hash: str, at: datetime) -> bool:
        """Have a key expire at a time, or earlier if it would. Return False if there is none."""

    def remove_key(self, key_hash: str) -> bool:
        """Delete a key's record, which revokes the key. Return False if there is none."""


def update_owner(owners: OwnerRepository, owner_id: str, change: Callable[[Owner], Owner]) -> Owner:
    """Replace an owner's record by `change` of it, and return it.

    When another change comes between, `change` is called again with the newer record. Raises
    Unavailable when that happens every time.
    """
    after = None
    for _ in range(_MAX_ATTEMPTS):
        before = owners.get_or_create(owner_id)
        if before == after:
            return after  # it was saved, and the response was lost
        after = change(before)
        if owners.save_owner(after, before):
            return after
    raise Unavailable(f"Others keep changing the record of owner {owner_id}. Try again.")
