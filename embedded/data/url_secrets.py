"""The secrets that sign upload and download URLs: in the database, replaced by a command."""

from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from core.domain.clock import from_text, to_text, utc_now
from core.domain.errors import Unavailable
from core.storage.signed_url import UrlSigner

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from datetime import datetime

    from core.backends.encryption import SecretKeys
    from core.backends.sqlite import Database
    from core.domain.clock import Clock
    from embedded.stores import Stores

_CURRENT: Final = "url_secret"
_REPLACED: Final = "url_secrets_replaced"  # JSON, newest first
_PLACE: Final = "secret of signed URLs"
_MAX_REPLACED: Final = 5
_KEEP_SECONDS: Final = 1.0  # until a running service uses what a command changed
# The longest life of a URL is that of thumbnails, 30 minutes.
DEFAULT_OVERLAP: Final = timedelta(hours=1)


class UrlSecrets:
    """Returns the secrets, the one that signs first. Safe to use from several threads."""

    def __init__(self, database: Database, keys: SecretKeys, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._kept: tuple[float, Sequence[bytes]] | None = None
        database.get_or_create(_CURRENT, self._new)
        self()

    def __call__(self) -> Sequence[bytes]:
        """Return the secrets that are valid now, newest first. Raises Unavailable."""
        kept, now = self._kept, time.monotonic()
        if kept and now - kept[0] < _KEEP_SECONDS:
            return kept[1]
        try:
            with self._database.read() as connection:
                current, replaced = _read(connection)
            secrets = [self._decrypt(each) for each in (current, *self._valid(replaced))]
        except Unavailable:
            if kept is None:
                raise
            secrets = list(kept[1])  # URLs work while the database does not
        self._kept = now, secrets
        return secrets

    def rotate(self, overlap: timedelta) -> None:
        """Sign with a new secret. URLs that older ones signed stay valid for at most `overlap`."""
        until = self._clock() + overlap
        with self._database.write() as connection:
            current, replaced = _read(connection)
            ends = {current: until}
            ends |= {secret: min(end, until) for secret, end in self._valid(replaced).items()}
            kept = list(ends.items())[:_MAX_REPLACED] if overlap else []
            _write(connection, self._new(), dict(kept))
        self._kept = None

    def encrypt(self) -> bool:
        """Store the secrets with the current encryption key. Return False if they are so."""
        with self._database.write() as connection:
            current, replaced = _read(connection)
            replaced = self._valid(replaced)
            if all(map(self._keys.is_current, (current, *replaced))):
                return False
            _write(
                connection,
                self._encrypted(current),
                {self._encrypted(each): until for each, until in replaced.items()},
            )
            return True

    def _valid(self, replaced: dict[str, datetime]) -> dict[str, datetime]:
        now = self._clock()
        return {secret: until for secret, until in replaced.items() if until > now}

    def _new(self) -> str:
        return self._keys.encrypt(os.urandom(32).hex(), _PLACE)

    def _encrypted(self, stored: str) -> str:
        return self._keys.encrypt(self._keys.decrypt(stored, _PLACE), _PLACE)

    def _decrypt(self, stored: str) -> bytes:
        return bytes.fromhex(self._keys.decrypt(stored, _PLACE))


def _read(connection: sqlite3.Connection) -> tuple[str, dict[str, datetime]]:
    """Return the stored secret, and the replaced ones with the end of their validity."""
    statement = "SELECT name, value FROM facts WHERE name IN (?, ?)"
    facts = dict(connection.execute(statement, (_CURRENT, _REPLACED)).fetchall())
    replaced = json.loads(facts.get(_REPLACED, "{}"))
    return facts[_CURRENT], {secret: from_text(until) for secret, until in replaced.items()}


def _write(connection: sqlite3.Connection, current: str, replaced: dict[str, datetime]) -> None:
    ends = json.dumps({secret: to_text(until) for secret, until in replaced.items()})
    connection.executemany(
        "INSERT OR REPLACE INTO facts VALUES (?, ?)", [(_CURRENT, current), (_REPLACED, ends)]
    )


def build_signer(stores: Stores, base_url: str) -> UrlSigner:
    """Make the signer of upload and download URLs; its secrets are kept in the database."""
    return UrlSigner(UrlSecrets(stores.database, stores.secret_keys, utc_now), base_url)
