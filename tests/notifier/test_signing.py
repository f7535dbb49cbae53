"""Standard Webhooks 1.0.0 signatures, checked with its own library."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from catalogue.errors import InvalidValue
from catalogue.owner import new_secret
from notifier.signing import signed_headers

# From the specification.
SECRET = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", [SECRET, f"whsec_{SECRET}"])
def test_the_published_vector(secret: str) -> None:
    """With the secret's prefix or without."""
    assert signed_headers([secret], ID, TIMESTAMP, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": str(TIMESTAMP),
        "webhook-signature": SIGNATURE,
    }


@pytest.mark.parametrize("body", [b"{}", '{"snow":"☃"}'.encode(), b'{"a":"%s"}' % (b"x" * 20_000)])
def test_the_published_library_verifies(body: bytes) -> None:
    """Any body, with a secret of ours."""
    secret = new_secret()
    headers = signed_headers([secret], "msg_1_3", int(time.time()), body)
    Webhook(secret).verify(body, headers)


@pytest.mark.parametrize("change", ["body", "webhook-id", "webhook-timestamp", "secret"])
def test_a_change_of_anything_signed_is_found(change: str) -> None:
    """By that library."""
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


def test_every_secret_verifies_while_they_are_rotated() -> None:
    """One signature for each, in their order."""
    secrets = [new_secret() for _ in range(3)]
    now = int(time.time())
    headers = signed_headers(secrets, "msg_1_3", now, b"{}")
    signatures = headers["webhook-signature"].split(" ")
    assert len(signatures) == 3
    for secret, signature in zip(secrets, signatures, strict=True):
        Webhook(secret).verify(b"{}", headers)
        alone = signed_headers([secret], "msg_1_3", now, b"{}")
        assert alone["webhook-signature"] == signature


def test_secrets_are_random_and_long_enough() -> None:
    """The specification asks for 24 to 64 bytes."""
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64


@pytest.mark.parametrize("secret", ["whsec_not base64!", "whsec_abc", "wh_sec_MfKQ"])
def test_a_secret_of_another_form_is_refused(secret: str) -> None:
    """The message shows its form, and not the secret."""
    with pytest.raises(InvalidValue, match="must be whsec_ and base64") as caught:
        signed_headers([secret], ID, TIMESTAMP, BODY)
    assert secret not in str(caught.value)
