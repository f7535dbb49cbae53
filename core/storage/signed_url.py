"""URLs for one method on one object until an expiry time, signed with HMAC-SHA256. Pure."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from core.domain.clock import epoch_ms
from core.domain.errors import LabellingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime


class SignatureDoesNotMatch(LabellingError):
    """The URL was not signed by this service, or was changed since."""

    def __init__(self) -> None:
        super().__init__(
            "The URL's signature does not match. Use the URL exactly as the service returned it."
        )


class RequestExpired(LabellingError):
    """The URL has expired."""

    def __init__(self) -> None:
        super().__init__("The URL has expired. Request a new one with renewUpload.")


class UrlSigner:
    """Signs URLs below `base_url` with a secret, and verifies them.

    A function returns several secrets instead: the first signs, and all verify.
    """

    def __init__(self, secrets: bytes | Callable[[], Sequence[bytes]], base_url: str) -> None:
        self._secrets = (lambda: (secrets,)) if isinstance(secrets, bytes) else secrets
        self._base_url = base_url.rstrip("/")

    def sign(
        self, method: str, key: str, expires_at: datetime, terms: Mapping[str, str | int]
    ) -> str:
        """Return a URL for `method` on `key`. The terms are in its query, and signed too."""
        query = {name: str(value) for name, value in terms.items()}
        query["expires"] = str(epoch_ms(expires_at) // 1000)
        query["signature"] = _signature(self._secrets()[0], method, key, query)
        return f"{self._base_url}/{quote(key)}?{urlencode(query)}"

    def check(self, method: str, key: str, query: Mapping[str, str], now: datetime) -> None:
        """Verify a request's URL.

        Raises:
            SignatureDoesNotMatch: key, method or query differ from the signed ones.
            RequestExpired: the signature matches, but the URL has expired.

        """
        terms = {name: value for name, value in query.items() if name != "signature"}
        given = query.get("signature", "").encode("utf-8", "replace")
        if not any(
            hmac.compare_digest(given, _signature(secret, method, key, terms).encode())
            for secret in self._secrets()
        ):
            raise SignatureDoesNotMatch
        if epoch_ms(now) >= int(terms["expires"]) * 1000:
            raise RequestExpired


def _signature(secret: bytes, method: str, key: str, terms: Mapping[str, str]) -> str:
    text = "\n".join([method, quote(key), urlencode(sorted(terms.items()))])
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
