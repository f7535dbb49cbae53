"""`/.well-known/webhook-keys`: the public keys that verify ed25519 signatures of webhooks."""

from __future__ import annotations

import base64
import hashlib
import json

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.errors import Unauthenticated
from api.rest.errors import error_response
from api.services.dependencies import Services
from core.domain.blob import MAX_OWNER, is_owner_name
from core.domain.owner import WebhookKey

MAX_AGE = 300  # seconds; a replaced key still signs for a day


def webhook_key_routes(services: Services) -> APIRouter:
    """Return `GET /.well-known/webhook-keys`.

    It needs no API key, because the keys are public. It needs the owner's name, so that it does not
    disclose who the owners are and no receiver accepts another owner's key by mistake.
    """
    router = APIRouter()

    @router.get("/.well-known/webhook-keys")
    async def webhook_keys(request: Request) -> JSONResponse:
        owner_id = request.query_params.get("owner")
        if owner_id is None:
            try:
                # Without the request's API key: shared caches store a public response by its URL
                # alone (RFC 9111, 3.5), and would return one owner's keys to others.
                owner_id = (await services.authenticate(None)).owner
            except Unauthenticated:
                return error_response(
                    "InvalidInput",
                    "The owner is missing: request /.well-known/webhook-keys?owner=NAME",
                )
        if not is_owner_name(owner_id):
            return error_response(
                "InvalidInput", f"An owner's name has 1 to {MAX_OWNER} bytes and no '/'."
            )
        owner = await services.read(services.owners.find_owner, owner_id)
        keys = owner.keys_at(services.clock()) if owner else ()
        return JSONResponse(
            {"keys": [jwk(key) for key in keys]},
            headers={"cache-control": f"public, max-age={MAX_AGE}"},
        )

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
