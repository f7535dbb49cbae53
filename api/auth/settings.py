"""Settings of tokens that are taken beside API keys. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from core.runtime.settings import setting


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """Whose tokens are taken, and what they say."""

    oidc_issuer: str | None = setting(
        None, "Issuer of JWTs that are taken beside API keys: an https URL, as in their `iss`."
    )
    oidc_audience: str | None = setting(None, "What `aud` of such a token must name: this service.")
    oidc_jwks_url: str | None = setting(
        None, "Where the issuer's keys are, if its discovery document doesn't say so."
    )
    oidc_owner_claim: str = setting("sub", "Claim that names whom a token acts for.")
    oidc_owner_prefix: str = setting(
        "oidc:", "Put before that name, so that no token acts for the owner of an API key."
    )
    oidc_scope_claim: str = setting(
        "scope", "Claim that lists scopes: read, upload, admin, or labelling:read and so on."
    )
    oidc_scopes: tuple[str, ...] = setting(
        (), "Scopes that every token has, comma-separated, whatever it lists."
    )
