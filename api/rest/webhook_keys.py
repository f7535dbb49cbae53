"""`/.well-known/webhook-keys`: what ed25519 signatures of webhooks are verified with."""

from __future__ import annotations

import base64
import hashlib
import json

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.errors import Unauthenticated
from api.services.dependencies import Services
from api.threads import run_in_thread
from core.domain.blob import MAX_OWNER, is_owner_name
from core.domain.owner import WebhookKey

MAX_AGE = 300  # seconds; a key signs for a day after it was replaced


def webhook_key_routes(services: Services) -> APIRouter:
    """Return `GET /.well-known/webhook-keys`.

    It needs no API key, as the keys are public, but the name of their owner: so that nobody learns
    from it who the owners are, and no receiver takes another owner's key for the one it expects.
    """
    router = APIRouter()

    @router.get("/.well-known/webhook-keys")
    async def webhook_keys(request: Request) -> JSONResponse:
        owner_id = request.query_params.get("owner")
        if owner_id is None:
            try:
                # Not the owner of a key that came along: shared caches keep what is public, by
                # its URL alone (RFC 9111, 3.5), and would give it to others.
                owner_id = (await services.authenticate(None)).owner
            except Unauthenticated:
                return _refused("Say whose keys you want: /.well-known/webhook-keys?owner=NAME")
        if not is_owner_name(owner_id):
            return _refused(f"An owner's name has 1 to {MAX_OWNER} bytes, and no '/'.")
        owner = await run_in_thread(services.owners.find_owner, owner_id)
        keys = owner.keys_at(services.clock()) if owner else ()
        return JSONResponse(
            {"keys": [jwk(key) for key in keys]},
            headers={"cache-control": f"public, max-age={MAX_AGE}"},
        )

    return router


def jwk(key: WebhookKey) -> dict[str, str]:
    """Write the public half as a JSON Web Key (RFC 8037), named by its thumbprint (RFC 7638)."""
    public = base64.b64decode(key.public.removeprefix("whpk_"))
    members = {"crv": "Ed25519", "kty": "OKP", "x": _url_safe(public)}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    thumbprint = _url_safe(hashlib.sha256(canonical).digest())
    return {**members, "alg": "EdDSA", "use": "sig", "kid": thumbprint, "whpk": key.public}


def _refused(message: str) -> JSONResponse:
    return JSONResponse({"code": "InvalidInput", "message": message}, status_code=422)


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
