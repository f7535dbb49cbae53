"""`/.well-known/webhook-keys`: the public keys that verify ed25519 signatures of webhooks."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.errors import Unauthenticated
from api.rest import schemas
from api.rest.openapi import responses
from api.rest.schemas import PublicKey, PublicKeys
from api.services.dependencies import Services
from core.domain.errors import InvalidValue
from core.domain.owner import MAX_OWNER, WebhookKey, is_owner_name

MAX_AGE = 300  # seconds; a replaced key still signs for a day


def webhook_key_routes(services: Services) -> APIRouter:
    """Return `GET /.well-known/webhook-keys`.

    It needs no API key, because the keys are public. It needs the owner's name, so that it does not
    disclose who the owners are and no receiver accepts another owner's key by mistake.
    """
    router = APIRouter(tags=["webhooks"])

    @router.get(
        "/.well-known/webhook-keys",
        operation_id="getWebhookKeys",
        summary="Get the public keys of an owner's webhooks",
        response_description="The keys; none for an unknown owner.",
        responses=responses(
            schemas.InvalidInput,
            schemas.TooManyRequests,
            schemas.InternalServerError,
            schemas.ServiceUnavailable,
        ),
    )
    async def webhook_keys(
        response: Response,
        owner: Annotated[
            str | None,
            Query(description="Name of the owner. May be absent where the service has only one."),
        ] = None,
    ) -> PublicKeys:
        """Return the keys that verify the ed25519 signatures of an owner's webhooks."""
        if owner is None:
            try:
                # Without the request's API key: shared caches store a public response by its URL
                # alone (RFC 9111, 3.5), and would return one owner's keys to others.
                owner = (await services.authenticate(None)).owner
            except Unauthenticated as exc:
                raise InvalidValue(
                    "owner", "it is missing: request /.well-known/webhook-keys?owner=NAME"
                ) from exc
        if not is_owner_name(owner):
            raise InvalidValue("owner", f"a name has 1 to {MAX_OWNER} bytes and no '/'")
        found = await services.read(services.owners.find_owner, owner)
        keys = found.keys_at(services.clock()) if found else ()
        response.headers["cache-control"] = f"public, max-age={MAX_AGE}"
        return PublicKeys(keys=[PublicKey.model_validate(jwk(key)) for key in keys])

    return router


def jwk(key: WebhookKey) -> dict[str, str]:
    """Return the public key as a JSON Web Key (RFC 8037), named by its thumbprint (RFC 7638)."""
    public = base64.b64decode(key.public.removeprefix("whpk_"))
    members = {"crv": "Ed25519", "kty": "OKP", "x": _url_safe(public)}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    thumbprint = _url_safe(hashlib.sha256(canonical).digest())
    return {**members, "alg": "EdDSA", "use": "sig", "kid": thumbprint, "whpk": key.public}


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
