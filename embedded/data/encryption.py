"""The encryption keys of a data folder or table, and what is encrypted with them."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Final

from core.backends.encryption import read_keys
from core.domain.errors import LabellingError
from core.repositories.ports.owners import update_owner
from core.runtime.settings import BadSetting

if TYPE_CHECKING:
    from core.backends.encryption import SecretKeys
    from core.backends.sqlite import Database
    from core.repositories.ports.owners import OwnerRepository
    from embedded.settings import Settings

log = logging.getLogger(__name__)

_FACT: Final = "encryption_keys"  # JSON: the ids of the keys that the service was started with


class KeyUnknownToService(LabellingError):
    """The running service could not read what this command would encrypt."""


def load_keys(settings: Settings) -> SecretKeys:
    """Return the keys of the file, one a line, then those of the variable. Raises BadSetting."""
    file = settings.encryption_key_file
    try:
        lines = file.read_text("ascii").split() if file else []
    except (OSError, ValueError) as exc:
        raise BadSetting(
            f"The file of encryption keys, {file}, can't be read: {exc}. "
            "It has one key in base64 a line."
        ) from exc
    if file and not lines:
        raise BadSetting(
            f"The file of encryption keys, {file}, has no key. "
            "Create one with 'labelling encryption create-key'."
        )
    return read_keys([*lines, *settings.encryption_keys])


def check_owners(owners: OwnerRepository, keys: SecretKeys) -> None:
    """Check that the secrets of all owners can be decrypted. Raises EncryptionKeyMissing.

    Logs how many owners have secrets that `labelling encryption apply` would encrypt.
    """
    outdated = 0
    for _, stored in owners.stored_secrets():
        keys.check(stored)
        outdated += not all(map(keys.is_current, stored))
    if outdated:
        log.warning(
            "secrets are not encrypted with the current key; run 'labelling encryption apply'",
            extra={"owners": outdated},
        )


def publish_keys(database: Database, keys: SecretKeys) -> None:
    """Store which keys the service has, by their ids, for commands beside it."""
    if _published(database) == sorted(keys.ids):
        return  # a start on a full disk has nothing to write
    with database.write() as connection:
        connection.execute(
            "INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, json.dumps(sorted(keys.ids)))
        )


def check_service_has_key(database: Database, keys: SecretKeys) -> None:
    """Check that the running service has the key that encrypts. Raises KeyUnknownToService."""
    if keys.current_id is not None and keys.current_id not in _published(database):
        raise KeyUnknownToService(
            f"The running service was started without the encryption key {keys.current_id}, so it "
            "could not read what this command encrypts. Give it the key with --encryption-key-file "
            "or LABELLING_ENCRYPTION_KEYS, restart it, and run this command again."
        )


def _published(database: Database) -> list[str]:
    """Return the ids of the service's keys; none where an earlier version did not store them."""
    with database.read() as connection:
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
    return list(json.loads(row[0])) if row else []


def encrypt_owners(owners: OwnerRepository, keys: SecretKeys) -> int:
    """Encrypt the secrets of all owners with the current key; return how many were changed.

    Raises EncryptionKeyMissing before anything is changed.
    """
    found = list(owners.stored_secrets())
    for _, stored in found:
        keys.check(stored)
    outdated = [owner for owner, stored in found if not all(map(keys.is_current, stored))]
    for owner in outdated:
        update_owner(owners, owner, lambda unchanged: unchanged)
    return len(outdated)
