"""Encryption of stored secrets: XChaCha20-Poly1305 with keys that are kept elsewhere.

An encrypted secret is `enc1.<key id>.<base64 of nonce, ciphertext and tag>`. It is bound to its
place: copied to another owner, it can't be decrypted. The id, which is derived from the key, tells
which key to use, so that keys can be replaced.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from core.domain.errors import Unavailable
from core.runtime.settings import BadSetting

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

KEY_BYTES: Final = 32
_ENCRYPTED: Final = re.compile(r"enc1\.([0-9a-f]{12})\.([A-Za-z0-9+/=]+)")


class EncryptionKeyMissing(Unavailable):
    """A stored secret is encrypted with a key that was not given."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"Stored secrets are encrypted with the key {key_id}, which was not given. Add it to "
            "the encryption keys (LABELLING_ENCRYPTION_KEYS or LABELLING_ENCRYPTION_KEY_FILE)."
        )


class DamagedSecret(Unavailable):
    """A stored secret was changed, or belongs to another place."""

    def __init__(self, place: str) -> None:
        super().__init__(f"The stored {place} was changed. Restore it from a backup or rotate it.")


class SecretKeys:
    """Encrypts secrets with the first of some keys, and decrypts them with any.

    Without keys secrets are stored as they are. Secrets that are stored so remain readable.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {key_id(key): key for key in keys}
        self._current = next(iter(self._keys), None)

    def __bool__(self) -> bool:
        return self._current is not None

    @property
    def current_id(self) -> str | None:
        """The id of the key that encrypts, None without keys."""
        return self._current

    @property
    def ids(self) -> Collection[str]:
        """The ids of all keys."""
        return self._keys.keys()

    def encrypt(self, secret: str, place: str) -> str:
        """Return what is stored of a secret; `place` names where, such as its owner."""
        if self._current is None:
            return secret
        sealed = _cipher(self._keys[self._current]).encrypt(secret.encode(), place.encode())
        return f"enc1.{self._current}.{base64.b64encode(sealed).decode()}"

    def decrypt(self, stored: str, place: str) -> str:
        """Return a secret. Raises EncryptionKeyMissing or DamagedSecret."""
        found = _ENCRYPTED.fullmatch(stored)
        if found is None:
            return stored
        self.check([stored])
        from nacl.exceptions import CryptoError  # see _cipher  # noqa: PLC0415

        try:
            sealed = base64.b64decode(found[2], validate=True)
            opened: bytes = _cipher(self._keys[found[1]]).decrypt(sealed, place.encode())
        except (ValueError, CryptoError) as exc:
            raise DamagedSecret(place) from exc
        return opened.decode()

    def check(self, stored: Iterable[str]) -> None:
        """Check that there is a key for each stored secret. Raises EncryptionKeyMissing."""
        for each in stored:
            found = _ENCRYPTED.fullmatch(each)
            if found and found[1] not in self._keys:
                raise EncryptionKeyMissing(found[1])

    def is_current(self, stored: str) -> bool:
        """Tell whether a secret is stored as `encrypt` stores it now."""
        found = _ENCRYPTED.fullmatch(stored)
        return (found[1] if found else None) == self._current


def new_key() -> str:
    """Return a new key, in base64."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def key_id(key: bytes) -> str:
    """Return the id of a key, which does not reveal it."""
    return hashlib.sha256(b"labelling encryption key" + key).hexdigest()[:12]


def read_keys(texts: Iterable[str]) -> SecretKeys:
    """Return the keys of texts in base64, the one that encrypts first. Raises BadSetting."""
    keys = []
    for text in texts:
        try:
            key = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != KEY_BYTES:
            raise BadSetting(
                f"An encryption key is not the base64 of {KEY_BYTES} bytes. "
                "Create one with 'labelling encryption create-key'."
            )
        keys.append(key)
    return SecretKeys(keys)


@cache
def _cipher(key: bytes) -> Any:
    # 35 ms that services without keys save.
    from nacl.secret import Aead  # noqa: PLC0415

    return Aead(key)
