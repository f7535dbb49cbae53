"""The caller of a request, by its API key or token."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from api.auth.api_keys import authenticate_by_key
from api.auth.oidc import OidcTokens
from api.auth.sessions import Sessions
from core.domain.clock import utc_now
from core.domain.owner import LOCAL_OWNER
from embedded.data.url_secrets import UrlSecrets

if TYPE_CHECKING:
    from api.auth.caller import Authenticate
    from embedded.limits.thread_pool import ThreadPools
    from embedded.settings import Settings
    from embedded.stores import Stores

KEY_SECONDS: Final = 1.0  # for which a key still works after another process revoked it


def build_sessions(settings: Settings, stores: Stores) -> Sessions:
    """Make what signs the sessions of pages: with the secret that signs URLs now.

    A replaced secret reads no session, so `labelling url-secret rotate` ends all of them. Those of
    tokens end with each change of a setting about tokens.
    """
    secrets = UrlSecrets(stores.database, stores.secret_keys, utc_now)
    rules = repr([(name, each) for name, each in vars(settings).items() if "oidc_" in name])
    digest = hashlib.sha256(rules.encode()).hexdigest()[:16] if settings.oidc_issuer else None
    return Sessions(lambda: secrets()[0], digest)


def build_authenticate(
    settings: Settings, stores: Stores, pools: ThreadPools, sessions: Sessions, *, keyless: bool
) -> Authenticate:
    """Make the function that finds a request's caller by its API key, OIDC token or session."""
    return authenticate_by_key(
        stores.owners,
        LOCAL_OWNER if keyless else None,
        tokens=OidcTokens(settings, run=pools.issuer, operators=settings.oidc_operators)
        if settings.oidc_issuer
        else None,
        read=pools.read,
        keep_seconds=KEY_SECONDS,
        sessions=sessions,
        notes_use=True,
        note=pools.key_use,
    )
