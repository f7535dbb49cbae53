"""The port to owners and their API keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from core.domain.errors import Unavailable
from core.domain.scope import ALL_SCOPES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from core.domain.owner import Owner
    from core.domain.scope import Scope


_MAX_ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's record: its SHA-256 (hex) only, never the key.

    It opens what `scopes` name, until `expires_at` (None: until it is revoked).
    """

    hash: str
    owner: str
    name: str
    created_at: datetime
    scopes: frozenset[Scope] = ALL_SCOPES
    expires_at: datetime | None = None


class OwnerRepository(Protocol):
    """Owners and their API keys."""

    def get_or_create(self, owner_id: str) -> Owner:
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


def update_owner(owners: OwnerRepository, owner_id: str, change: Callable[[Owner], Owner]) -> Owner:
    """Replace an owner's record by `change` of it, and return it.

    When another change comes between, `change` is called again with the newer record. Raises
    Unavailable when that happens every time.
    """
    after = None
    for _ in range(_MAX_ATTEMPTS):
        before = owners.get_or_create(owner_id)
        if before == after:
            return after  # it was put there, and the answer that said so was lost
        after = change(before)
        if owners.save_owner(after, before):
            return after
    raise Unavailable(f"The record of owner {owner_id} is changed by others all the time.")
