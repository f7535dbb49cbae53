"""Sessions of browsers: a signed text in place of the API key or token that signed in. Pure.

A session is stateless. It names the key by its hash, so each request looks the key up as if it had
been sent. For a token, which no store knows, it contains what the token granted. "OWASP Session
Management Cheat Sheet"; the reasons are in docs/decisions/0070.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from api.auth.caller import Caller
from core.domain.api_key import hash_key
from core.domain.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEME: Final = "Session"  # of the Authorization value that our middleware makes of a cookie
MAX_LIFE: Final = timedelta(days=14)
TOKEN: Final = "token"  # the name of callers that a token authenticated  # noqa: S105
_PURPOSE: Final = b"session cookie"
_NAME: Final = b"name of the session cookie"


@dataclass(frozen=True, slots=True)
class Session:
    """A session that was read: the SHA-256 (hex) of its key or token, and when it ends.

    `caller` is whom a token acts for; None if the session is that of an API key.
    """

    credential: str
    expires_at: datetime
    caller: Caller | None = None


class Sessions:
    """Signs sessions with the secret that `secret` returns, and reads them.

    `token_rules` stands for how tokens are judged, None where none are accepted: a session of a
    token ends when they change. The functions raise what `secret` raises.
    """

    def __init__(self, secret: Callable[[], bytes], token_rules: str | None = None) -> None:
        self._secret = secret
        self._token_rules = token_rules
        # Cookies of a host are sent to all its ports, so services there need names of their own.
        self.service_name = _mac(secret(), _NAME).hex()[:8]

    def issue(self, credential: str, caller: Caller, now: datetime) -> tuple[str, Session]:
        """Return the value of a new session for the caller that a key or token authenticated."""
        end = min(filter(None, (now + MAX_LIFE, caller.expires_at)))
        claims: dict[str, Any] = {"until": int(end.timestamp())}
        is_token = caller.name == TOKEN
        if is_token:
            scopes = sorted(caller.scopes)
            claims |= {"owner": caller.owner, "scopes": scopes, "rules": self._token_rules}
        digest = hash_key(credential)
        signed = f"{digest}.{_encode(json.dumps(claims, separators=(',', ':')).encode())}"
        value = f"{signed}.{self._sign(signed)}"
        return value, Session(digest, _time(claims["until"]), caller if is_token else None)

    def read(self, value: str, now: datetime) -> Session | None:
        """Return a session; None if it has ended, or another service or nobody signed it."""
        signed, _, signature = value.rpartition(".")
        if not hmac.compare_digest(_bytes(signature), self._sign(signed).encode()):
            return None
        digest, _, encoded = signed.partition(".")
        claims = json.loads(_decode(encoded))
        end = _time(claims["until"])
        if end <= now:
            return None
        if "owner" not in claims:
            return Session(digest, end)
        if claims["rules"] != self._token_rules:
            return None
        scopes = frozenset(map(Scope, claims["scopes"]))
        return Session(digest, end, Caller(claims["owner"], scopes, end, TOKEN))

    def _sign(self, signed: str) -> str:
        return _encode(_mac(_mac(self._secret(), _PURPOSE), _bytes(signed)))


def credential_digest(authorization: str) -> str:
    """Return the SHA-256 (hex) of the credential in an Authorization value, or of its session."""
    scheme, _, value = authorization.partition(" ")
    if scheme == SCHEME:
        return value.partition(".")[0]
    return hashlib.sha256(_bytes(value.strip())).hexdigest()


def _mac(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, hashlib.sha256)


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
