"""Bearer tokens of an OpenID Connect issuer: JWTs, verified by the issuer's public keys.

JWT (RFC 7519), JWK (RFC 7517), "JWT Profile for OAuth 2.0 Access Tokens" (RFC 9068), "OpenID
Connect Discovery 1.0", 4.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from api.auth.caller import Caller
from api.auth.sessions import TOKEN
from api.errors import Unauthenticated
from api.threads import RunInThread, run_in_thread
from core.domain.errors import Unavailable
from core.domain.owner import is_owner_name
from core.domain.scope import ALL_SCOPES, Scope
from core.runtime.settings import BadSetting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import jwt

    from api.auth.settings import TokenSettings

log = logging.getLogger(__name__)

# Asymmetric signatures only: with HS256 anyone who knows the public key could sign, with `none`
# anyone at all (RFC 8725, 3.1).
ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512"),
    *("PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512"),
    "EdDSA",
)
MAX_TOKEN: Final = 8192  # characters
MAX_RESPONSE: Final = 256 * 1024  # bytes of an issuer's response
FETCH_SECONDS: Final = 5.0  # for a whole response
KEPT_SECONDS: Final = 3600.0  # before keys are fetched again
# Between two fetches, however many tokens name unknown keys.
PAUSE_SECONDS: Final = 30.0
LEEWAY_SECONDS: Final = 30.0  # difference between clocks
_SCOPE_PREFIX: Final = "labelling:"


def fetch_json(url: str) -> Any:
    """Fetch a JSON document. Raises OSError, ValueError, HTTPException or RecursionError."""
    # https, or this machine: _check_url checked it.
    request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310
    opener = urllib.request.build_opener(_NoRedirects)
    end = time.monotonic() + FETCH_SECONDS
    body = b""
    try:
        with opener.open(request, timeout=FETCH_SECONDS) as answer:
            # In parts: the timeout is for each read, and a response may come in any number of them.
            while some := answer.read1(MAX_RESPONSE):
                body += some
                if len(body) > MAX_RESPONSE:
                    raise ValueError(f"more than {MAX_RESPONSE} bytes")
                if time.monotonic() > end:
                    raise TimeoutError(f"more than {FETCH_SECONDS:g} s")
    except urllib.error.HTTPError as refused:
        refused.close()  # its connection
        raise
    return json.loads(body)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow no redirect: keys come only from the configured URL."""


class OidcTokens:
    """Verifies tokens. Raises BadSetting for settings that are incomplete or insecure.

    `run` runs the calls that fetch the issuer's keys. A token whose `sub` is among `operators` has
    the scope OPERATOR; no claim grants it.
    """

    def __init__(
        self,
        settings: TokenSettings,
        fetch: Callable[[str], Any] = fetch_json,
        monotonic: Callable[[], float] = time.monotonic,
        run: RunInThread = run_in_thread,
        operators: Collection[str] = (),
    ) -> None:
        self._settings = settings
        self._operators = operators
        self._run = run
        self._granted = frozenset(map(_scope, settings.oidc_scopes))
        if not settings.oidc_audience:
            raise BadSetting(
                "LABELLING_OIDC_AUDIENCE (--oidc-audience) is not set, so tokens for other "
                "services would be accepted: set it."
            )
        _check_url(settings.oidc_issuer, "LABELLING_OIDC_ISSUER (--oidc-issuer)")
        _check_url(settings.oidc_jwks_url, "LABELLING_OIDC_JWKS_URL (--oidc-jwks-url)")
        self._fetch = fetch
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._failed = False

    async def caller(self, token: str) -> Caller:
        """Return the caller that a token acts for. Raises Unauthenticated or Unavailable."""
        import jwt  # 60 ms, only where tokens are used  # noqa: PLC0415

        if len(token) > MAX_TOKEN:
            raise Unauthenticated(f"A token has at most {MAX_TOKEN} characters")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise Unauthenticated("The token is signed with an algorithm that is not accepted")
            key = await self._key(header.get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._settings.oidc_audience,
                issuer=self._settings.oidc_issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError as exc:
            raise Unauthenticated("The token has expired") from exc
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError) as exc:
            raise Unauthenticated("The token has another issuer or another audience") from exc
        except jwt.PyJWTError as exc:
            raise Unauthenticated("The token is not valid") from exc
        return self._caller(claims)

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        name = claims.get(self._settings.oidc_owner_claim)
        owner = f"{self._settings.oidc_owner_prefix}{name}"
        if not isinstance(name, str) or not name or not is_owner_name(owner):
            claim = self._settings.oidc_owner_claim
            raise Unauthenticated(f"The token's claim {claim!r} is not a valid owner name")
        listed = claims.get(self._settings.oidc_scope_claim, "")
        names = listed.split() if isinstance(listed, str) else listed
        scopes = self._granted | {
            scope for scope in ALL_SCOPES for each in _texts(names) if each in _names(scope)
        }
        if claims.get("sub") in self._operators:
            scopes |= {Scope.OPERATOR}
        try:
            end = datetime.fromtimestamp(int(claims["exp"]), UTC)
        except (
            ValueError,
            OverflowError,
            OSError,
        ) as exc:  # for example milliseconds instead of seconds
            raise Unauthenticated("The token's claim 'exp' is not a time in seconds") from exc
        return Caller(owner, scopes, end, TOKEN)

    async def _key(self, name: str | None) -> jwt.PyJWK:
        # A known key, even an old one, does not wait for a fetch in progress.
        if self._is_due(name) and not (self._knows(name) and self._lock.locked()):
            async with self._lock:  # one task fetches, the others wait
                if self._is_due(name):
                    await self._fetch_keys()
        found = self._keys.get(name)
        if found is None and name is None and len(self._keys) == 1:
            (found,) = self._keys.values()
        if found is None and self._failed:
            raise Unavailable("The issuer's keys can't be fetched.")
        if found is None:
            raise Unauthenticated("The token is signed with a key that its issuer does not list")
        return found

    def _is_due(self, name: str | None) -> bool:
        now = self._monotonic()
        stale = now - self._fetched_at > KEPT_SECONDS
        return (stale or not self._knows(name)) and now - self._tried_at > PAUSE_SECONDS

    def _knows(self, name: str | None) -> bool:
        return name in self._keys or (name is None and len(self._keys) == 1)

    async def _fetch_keys(self) -> None:
        self._failed = True  # until it succeeds; known keys remain valid
        try:
            self._keys = await self._run(self._read_keys)
            self._fetched_at = self._monotonic()
            self._failed = False
        except Exception as exc:  # an issuer may answer anything
            log.error("the issuer's keys can't be fetched", exc_info=exc)  # noqa: TRY400  # one line
        finally:  # also when the request was cancelled
            self._tried_at = self._monotonic()

    def _read_keys(self) -> dict[str | None, jwt.PyJWK]:
        import jwt  # as in `caller`  # noqa: PLC0415

        issuer = self._settings.oidc_issuer or ""
        url = self._settings.oidc_jwks_url
        if url is None:
            about = self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if about["issuer"] != issuer:  # OpenID Connect Discovery, 4.3
                raise ValueError(f"the document of {issuer} names the issuer {about['issuer']!r}")
            url = about["jwks_uri"]
            _check_url(url, "`jwks_uri` of the issuer's document")
        keys: dict[str | None, jwt.PyJWK] = {}
        for each in self._fetch(url)["keys"]:
            try:
                if each.get("use", "sig") == "sig":
                    keys[each.get("kid")] = jwt.PyJWK.from_dict(each)
            except (
                jwt.PyJWTError,
                TypeError,
                AttributeError,
            ) as exc:  # of an unknown type, or malformed
                log.info("an issuer's key is ignored", exc_info=exc)
        return keys


def _check_url(url: str | None, name: str) -> None:
    """Accept https, and http on this machine. Raises BadSetting, which says whose URL it is."""
    parts = urlsplit(url or "https://")
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise BadSetting(f"{name} is {url!r}: give an https URL.")


def _scope(name: str) -> Scope:
    plain = name.removeprefix(_SCOPE_PREFIX)
    if plain not in ALL_SCOPES:
        choices = ", ".join(each for each in Scope if each in ALL_SCOPES)
        raise BadSetting(
            f"LABELLING_OIDC_SCOPES (--oidc-scopes) contains {name!r}: choose from {choices}."
        )
    return Scope(plain)


def _names(scope: Scope) -> tuple[str, str]:
    return scope.value, _SCOPE_PREFIX + scope.value


def _texts(names: Any) -> list[str]:
    return [each for each in names if isinstance(each, str)] if isinstance(names, list) else []
