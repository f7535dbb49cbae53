"""How API keys are made and kept."""

from __future__ import annotations

from core.domain.api_key import hash_key, new_key


def test_keys_are_unique_and_start_with_the_prefix() -> None:
    """32 random bytes, so 43 characters of base64url."""
    keys = {new_key() for _ in range(20)}
    assert len(keys) == 20
    assert all(key.startswith("lbl_") and len(key) == 4 + 43 for key in keys)


def test_hash_is_the_sha256_of_the_key() -> None:
    digest = "50d858e0985ecc7f60418aaf0cc5ab587f42c2570a884095a9e8ccacd0f6545c"
    assert hash_key("example") == digest
