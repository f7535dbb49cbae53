"""Owners and API keys on SQLite."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from core.backends.encryption import SecretKeys
from core.domain.clock import epoch_ms, from_epoch_ms
from core.domain.errors import AlreadyExists
from core.domain.owner import Owner, WebhookSecret
from core.domain.scope import Scope
from core.repositories.owner_documents import (
    owner_from_document,
    owner_to_document,
    stored_secrets,
)
from core.repositories.ports.owners import ApiKey

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from core.backends.sqlite import Database


_KEY: Final = "hash, owner, name, created_at, scopes, expires_at, last_used_at"


class SqliteOwnerRepository:
    """Owners in a `Database`. `make_secret` returns the first webhook secret of a new owner."""

    def __init__(
        self, database: Database, make_secret: Callable[[], str], keys: SecretKeys | None = None
    ) -> None:
        self._database = database
        self._make_secret = make_secret
        self._keys = keys or SecretKeys()

    def get_or_create(self, owner_id: str) -> Owner:
        """Return an owner; create its record if there is none."""
        found = self.find_owner(owner_id)
        if found:
            return found
        with self._database.write() as connection:
            made = Owner(owner_id, (WebhookSecret(self._make_secret()),))
            connection.execute(
                "INSERT OR IGNORE INTO owners VALUES (?, ?)",
                (owner_id, self._document(made)),
            )
            return self._owner(connection, owner_id) or made

    def find_owner(self, owner_id: str) -> Owner | None:
        """Return an owner, if its record exists."""
        with self._database.read() as connection:
            return self._owner(connection, owner_id)

    def stored_secrets(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return each owner's id, and its secrets and private keys as they are stored."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT id, document FROM owners").fetchall()
        return [(owner_id, stored_secrets(json.loads(text))) for owner_id, text in rows]

    def save_owner(self, owner: Owner, replaced: Owner) -> bool:
        """Replace an owner's record, as it was read. Return False if it has changed."""
        with self._database.write() as connection:
            if self._owner(connection, owner.id) != replaced:
                return False
            connection.execute(
                "UPDATE owners SET document = ? WHERE id = ?",
                (self._document(owner), owner.id),
            )
            return True

    def add_key(self, key: ApiKey) -> None:
        """Store an API key's record. Raises AlreadyExists."""
        with self._database.write() as connection:
            cursor = connection.execute(
                f"INSERT OR IGNORE INTO api_keys ({_KEY}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    key.hash,
                    key.owner,
                    key.name,
                    epoch_ms(key.created_at),
                    " ".join(sorted(key.scopes)),
                    epoch_ms(key.expires_at) if key.expires_at else None,
                    epoch_ms(key.last_used_at) if key.last_used_at else None,
                ),
            )
            if cursor.rowcount != 1:
                raise AlreadyExists(key.hash)

    def find_key(self, key_hash: str) -> ApiKey | None:
        """Return the record of the key with this SHA-256, if there is one."""
        with self._database.read() as connection:
            row = connection.execute(
                f"SELECT {_KEY} FROM api_keys WHERE hash = ?", (key_hash,)
            ).fetchone()
        return _key(row) if row else None

    def list_keys(self) -> Sequence[ApiKey]:
        """Return the records of all API keys, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(f"SELECT {_KEY} FROM api_keys")
            return sorted((_key(row) for row in rows), key=lambda key: key.created_at)

    def note_key_use(self, key_hash: str, at: datetime) -> None:
        """Store when a key was used, if it exists. A power cut may lose it."""
        with self._database.write(synced=False) as connection:
            connection.execute(
                "UPDATE api_keys SET last_used_at = ? WHERE hash = ?", (epoch_ms(at), key_hash)
            )

    def end_key(self, key_hash: str, at: datetime) -> bool:
        """Have a key expire at a time, or earlier if it would. Return False if there is none."""
        with self._database.write() as connection:
            cursor = connection.execute(
                "UPDATE api_keys SET expires_at = min(coalesce(expires_at, ?), ?) WHERE hash = ?",
                (epoch_ms(at), epoch_ms(at), key_hash),
            )
            return cursor.rowcount == 1

    def remove_key(self, key_hash: str) -> bool:
        """Delete a key's record. Return False if there is none."""
        with self._database.write() as connection:
            cursor = connection.execute("DELETE FROM api_keys WHERE hash = ?", (key_hash,))
            return cursor.rowcount == 1

    def _document(self, owner: Owner) -> str:
        return json.dumps(owner_to_document(owner, self._keys.encrypt))

    def _owner(self, connection: sqlite3.Connection, owner_id: str) -> Owner | None:
        row = connection.execute("SELECT document FROM owners WHERE id = ?", (owner_id,)).fetchone()
        return (
            owner_from_document(owner_id, json.loads(row[0]), self._keys.decrypt) if row else None
        )


def _key(row: tuple[str, str, str, int, str, int | None, int | None]) -> ApiKey:
    digest, owner, name, created_at, scopes, expires_at, used_at = row
    return ApiKey(
        digest,
        owner,
        name,
        from_epoch_ms(created_at),
        frozenset(map(Scope, scopes.split())),
        None if expires_at is None else from_epoch_ms(expires_at),
        None if used_at is None else from_epoch_ms(used_at),
    )
