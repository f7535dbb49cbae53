"""Settings of the tokens that are accepted besides API keys. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from core.runtime.settings import setting


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """The issuer of tokens, and the meaning of their claims."""

    oidc_issuer: str | None = setting(
        None, "Issuer of JWTs that are accepted besides API keys: an https URL, as in their `iss`."
    )
    oidc_audience: str | None = setting(
        None, "Value that `aud` of a token must contain: this service."
    )
    oidc_jwks_url: str | None = setting(
        None, "URL of the issuer's keys, if its discovery document does not contain it."
    )
    oidc_owner_claim: str = setting(
        "sub", "Claim with the name of the owner that a token acts for."
    )
    oidc_owner_prefix: str = setting(
        "oidc:", "Prefix of that name, so that no token acts for the owner of an API key."
    )
    oidc_scope_claim: str = setting(
        "scope",
        "Claim that lists scopes: read, upload, edit, delete, admin, or labelling:read and so on.",
    )
    oidc_scopes: tuple[str, ...] = setting(
        (), "Scopes that every token has, comma-separated, in addition to those it lists."
    )
