"""A receiver that holds a public key, on another implementation than the one that signs."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def verify_v1a(public: str, headers: Mapping[str, str], body: bytes) -> None:
    """Verify as a receiver would who holds `whpk_...`. Raises InvalidSignature."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public.removeprefix("whpk_")))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    for each in headers["webhook-signature"].split(" "):
        version, _, signature = each.partition(",")
        if version == "v1a":
            try:
                key.verify(base64.b64decode(signature, validate=True), signed)
            except InvalidSignature:
                continue
            return
    raise InvalidSignature
