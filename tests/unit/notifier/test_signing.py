"""Standard Webhooks 1.0.0 signatures, verified with published libraries."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from core.domain.errors import InvalidValue
from core.domain.owner import WebhookKey, new_secret
from notifier.signing import _ed25519, new_key, signed_headers
from tests.support.node import require_node
from tests.support.services.process import ROOT

# From the specification.
SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [SECRET, f"whsec_{SECRET}"])
def test_signature_equals_the_specifications_vector(secret: str) -> None:
    """With and without the secret's prefix."""
    assert signed_headers([secret], ID, TIMESTAMP, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": str(TIMESTAMP),
        "webhook-signature": SIGNATURE,
    }


@pytest.mark.parametrize("body", [b"{}", '{"snow":"☃"}'.encode(), b'{"a":"%s"}' % (b"x" * 20_000)])
def test_published_library_verifies(body: bytes) -> None:
    secret = new_secret()
    headers = signed_headers([secret], "msg_1_3", int(time.time()), body)
    Webhook(secret).verify(body, headers)


@pytest.mark.parametrize("change", ["body", "webhook-id", "webhook-timestamp", "secret"])
def test_published_library_detects_any_change(change: str) -> None:
    secret, now = new_secret(), int(time.time())
    headers = signed_headers([secret], "msg_1_3", now, b"{}")
    body = b"[]" if change == "body" else b"{}"
    if change == "webhook-id":
        headers[change] = "msg_1_4"
    if change == "webhook-timestamp":
        headers[change] = str(now - 1)
    if change == "secret":
        secret = new_secret()
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers)


def test_every_secret_adds_a_signature() -> None:
    """The signatures have the order of the secrets."""
    secrets = [new_secret() for _ in range(3)]
    now = int(time.time())
    headers = signed_headers(secrets, "msg_1_3", now, b"{}")
    signatures = headers["webhook-signature"].split(" ")
    assert len(signatures) == 3
    for secret, signature in zip(secrets, signatures, strict=True):
        Webhook(secret).verify(b"{}", headers)
        alone = signed_headers([secret], "msg_1_3", now, b"{}")
        assert alone["webhook-signature"] == signature


@pytest.mark.parametrize("secret", ["whsec_not base64!", "whsec_abc", "wh_sec_MfKQ"])
def test_malformed_secret_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(InvalidValue, match="must be whsec_ and base64") as caught:
        signed_headers([secret], ID, TIMESTAMP, BODY)
    assert secret not in str(caught.value)


# ed25519


def ed25519_of(headers: dict[str, str]) -> list[bytes]:
    """The v1a signatures of a header."""
    listed = headers["webhook-signature"].split(" ")
    return [base64.b64decode(each[4:]) for each in listed if each.startswith("v1a,")]


def public(key: WebhookKey) -> bytes:
    return base64.b64decode(key.public.removeprefix("whpk_"))


def test_ed25519_signature_equals_rfc_8032_vector() -> None:
    """Section 7.1, test 3."""
    private = bytes.fromhex(
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    )
    key = WebhookKey("whsk_" + base64.b64encode(private).decode(), "")
    assert _ed25519(key, b"\xaf\x82").hex() == (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )


def test_key_adds_a_signature_of_the_same_content() -> None:
    """Id, timestamp and body are signed."""
    keys = [new_key(), new_key()]
    secret, now = new_secret(), int(time.time())
    headers = signed_headers([secret], "msg_1_3", now, b"{}", keys)
    assert [each[:4] for each in headers["webhook-signature"].split(" ")][1:] == ["v1a,"] * 2
    Webhook(secret).verify(b"{}", headers)
    for key, signature in zip(keys, ed25519_of(headers), strict=True):
        verifier = Ed25519PublicKey.from_public_bytes(public(key))
        verifier.verify(signature, f"msg_1_3.{now}.".encode() + b"{}")
        with pytest.raises(InvalidSignature):
            verifier.verify(signature, f"msg_1_3.{now}.".encode() + b"[]")


@pytest.mark.slow
def test_openssl_verifies_with_the_public_key(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command")
    key, body = new_key(), b'{"type":"blob.labelled"}'
    headers = signed_headers([], "msg_1_3", 1, body, [key])
    # These bytes and the key are its SubjectPublicKeyInfo (RFC 8410).
    (tmp_path / "key").write_bytes(bytes.fromhex("302a300506032b6570032100") + public(key))
    (tmp_path / "signature").write_bytes(ed25519_of(headers)[0])
    (tmp_path / "content").write_bytes(b"msg_1_3.1." + body)
    command = ["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", "key", "-rawin"]
    done = subprocess.run(
        [openssl, *command, "-in", "content", "-sigfile", "signature"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Verified Successfully" in done.stdout


VERIFY_JS = """
import { Webhook } from "%s";
import { readFileSync } from "node:fs";
const { secret, body, headers } = JSON.parse(readFileSync(0, "utf8"));
new Webhook(secret).verify(body, headers);
let fooled = true;
try { new Webhook(secret).verify(body + " ", headers); } catch { fooled = false; }
console.log(fooled ? "fooled" : "verified");
"""


@pytest.mark.parametrize("package", ["standardwebhooks", "svix"])
@pytest.mark.slow
def test_published_javascript_libraries_verify(package: str) -> None:
    """They ignore a key's signature, and they verify during a rotation."""
    modules = ROOT / "tests" / "web" / "node_modules"
    require_node(modules / package)
    secret, now = new_secret(), int(time.time())
    body = '{"snow":"☃"}'
    headers = signed_headers([new_secret(), secret], "msg_1_3", now, body.encode(), [new_key()])
    done = subprocess.run(
        ["node", "--input-type=module", "-e", VERIFY_JS % package],
        input=json.dumps({"secret": secret, "body": body, "headers": headers}),
        cwd=modules.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "verified\n"


@pytest.mark.parametrize("private", ["whsk_not base64!", "whsk_AAAA", "whsec_" + "A" * 44])
def test_malformed_key_is_refused_and_not_shown(private: str) -> None:
    with pytest.raises(InvalidValue, match="must be whsk_") as caught:
        signed_headers([], ID, TIMESTAMP, BODY, [WebhookKey(private, "whpk_")])
    assert private not in str(caught.value)
