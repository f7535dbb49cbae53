"""Secrets and keys of webhooks, and their rotation."""

from __future__ import annotations

import base64
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.owner import (
    MAX_VALID,
    ROTATION_OVERLAP,
    Owner,
    TooManyRotations,
    WebhookKey,
    WebhookSecret,
    new_secret,
    with_new_key,
    with_new_secret,
    without_keys,
)
from tests.support.blobs import NOON

HOUR = timedelta(hours=1)
TICK = timedelta(milliseconds=1)
ANNA = Owner("anna", (WebhookSecret("first"),))


def key(name: str) -> WebhookKey:
    return WebhookKey(f"whsk_{name}", f"whpk_{name}")


def test_old_secret_signs_for_a_day() -> None:
    """After the new one in the header."""
    rotated = with_new_secret(ANNA, "second", NOON)
    assert rotated.secrets_at(NOON) == ["second", "first"]
    assert rotated.secrets_at(NOON + ROTATION_OVERLAP - TICK) == ["second", "first"]
    assert rotated.secrets_at(NOON + ROTATION_OVERLAP) == ["second"]
    assert timedelta(hours=24) == ROTATION_OVERLAP


def test_secret_that_is_replaced_twice_keeps_its_expiry() -> None:
    """Expired secrets are removed."""
    rotated = with_new_secret(with_new_secret(ANNA, "second", NOON), "third", NOON + 5 * HOUR)
    assert rotated.webhook_secrets == (
        WebhookSecret("third"),
        WebhookSecret("second", NOON + 29 * HOUR),
        WebhookSecret("first", NOON + 24 * HOUR),
    )
    later = with_new_secret(rotated, "fourth", NOON + 24 * HOUR)
    assert later.secrets_at(NOON + 24 * HOUR) == ["fourth", "third", "second"]
    assert len(later.webhook_secrets) == 3


def test_number_of_valid_secrets_is_limited() -> None:
    """The header must stay short; the error has the time of the next rotation."""
    owner = ANNA
    for number in range(1, MAX_VALID):
        owner = with_new_secret(owner, str(number), NOON + number * HOUR)
    assert len(owner.secrets_at(NOON + 9 * HOUR)) == MAX_VALID
    with pytest.raises(TooManyRotations, match="on 2026-02-01 at 13:00:00 UTC") as refused:
        with_new_secret(owner, "more", NOON + 9 * HOUR)
    assert refused.value.retry_at == NOON + 25 * HOUR
    assert with_new_secret(owner, "more", refused.value.retry_at)


def test_keys_rotate_and_can_be_removed() -> None:
    """Without keys, only secrets sign."""
    owner = with_new_key(with_new_key(ANNA, key("a"), NOON), key("b"), NOON)
    assert [each.public for each in owner.keys_at(NOON)] == ["whpk_b", "whpk_a"]
    assert [each.public for each in owner.keys_at(NOON + 24 * HOUR)] == ["whpk_b"]
    assert owner.webhook_secrets == ANNA.webhook_secrets
    assert without_keys(owner) == ANNA


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=30))
def test_receiver_has_a_day_to_take_the_new_secret(pauses: list[float]) -> None:
    """With a secret that was replaced less than a day ago it can verify, after any rotations."""
    owner, now = ANNA, NOON
    replaced: dict[str, datetime | None] = {"first": None}
    for number, hours in enumerate(pauses):
        now += timedelta(hours=hours)
        with suppress(TooManyRotations):
            owner = with_new_secret(owner, str(number), now)
            replaced = {name: end or now for name, end in replaced.items()}
            replaced[str(number)] = None
        content = {name for name, end in replaced.items() if end is None or now - end < 24 * HOUR}
        assert set(owner.secrets_at(now)) == content
        assert len(content) <= MAX_VALID


def test_repr_shows_no_secret() -> None:
    """As tracebacks and log lines would."""
    shown = repr(with_new_key(ANNA, key("a"), NOON))
    assert "first" not in shown
    assert "whsk_a" not in shown
    assert "whpk_a" in shown


def test_secrets_are_random_and_long_enough() -> None:
    """The specification requires 24 to 64 bytes."""
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
