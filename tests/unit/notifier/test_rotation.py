"""After any rotation, a receiver can verify with what was current less than a day ago."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from core.backends.sqlite import Database
from core.domain.clock import from_epoch_ms
from core.domain.delivery import Delivery, DeliveryState, delivery_id
from core.domain.owner import (
    TooManyRotations,
    new_secret,
    with_new_key,
    with_new_secret,
    without_keys,
)
from core.repositories.ports.owners import update_owner
from core.repositories.sqlite.deliveries import SqliteDeliveryRepository
from core.repositories.sqlite.owners import SqliteOwnerRepository
from notifier.delivery import Deliverer
from notifier.http.client import Response
from notifier.signing import new_key
from tests.support.webhooks.ed25519 import verify_v1a

BODY = b'{"type":"blob.labelled"}'
DAY = timedelta(days=1)
OWNERS = ("anna", "bert")
runs = count()

STEPS = st.lists(
    st.tuples(
        st.sampled_from(OWNERS),
        st.sampled_from(["rotate", "rotate", "add key", "remove keys", "nothing"]),
        # Minutes; a secret expires after exactly one day.
        st.sampled_from([0, 0, 1, 30, 600, 1439, 1440, 1441, 4000]),
    ),
    max_size=30,
)


class Sender:
    """Records the headers of each request and returns `status`."""

    def __init__(self) -> None:
        self.sent: list[Mapping[str, str]] = []
        self.status = 204

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        self.sent.append(headers)
        return Response(self.status, None, b"")


class Middle:
    """No jitter."""

    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@pytest.fixture
def sender() -> Sender:
    return Sender()


class Rig:
    """Two owners' webhooks, and the secrets and keys that their receivers hold."""

    def __init__(self, database: Database, sender: Sender, clock: Any) -> None:
        self.owners = SqliteOwnerRepository(database, new_secret)
        self._deliveries = SqliteDeliveryRepository(database)
        self._sender = sender
        self._clock = clock
        self._deliverer = Deliverer(
            self._deliveries,
            self.owners,
            sender,
            clock,
            Middle(),
            lease_duration=timedelta(seconds=30),
        )
        self._run = next(runs)
        # By owner: what a receiver holds, and when it was replaced (None: current).
        self.secrets: dict[str, dict[str, datetime | None]] = {}
        self.keys: dict[str, dict[str, datetime | None]] = {name: {} for name in OWNERS}
        for name in OWNERS:
            made = self.owners.get_or_create(self.named(name))
            self.secrets[name] = dict.fromkeys((each.value for each in made.webhook_secrets), None)

    def named(self, name: str) -> str:
        return f"{name} {self._run}"

    def step(self, name: str, what: str) -> None:
        """Run one step of an owner or operator."""
        owner_id, now = self.named(name), self._clock()
        with suppress(TooManyRotations):
            if what == "rotate":
                give(self.secrets[name], self.rotate(owner_id), now)
            elif what == "add key":
                key = new_key()
                update_owner(self.owners, owner_id, lambda owner: with_new_key(owner, key, now))
                give(self.keys[name], key.public, now)
        if what == "remove keys":
            update_owner(self.owners, owner_id, without_keys)
            self.keys[name].clear()

    def rotate(self, owner_id: str) -> str:
        """Give an owner a new secret."""
        new, now = new_secret(), self._clock()
        update_owner(self.owners, owner_id, lambda owner: with_new_secret(owner, new, now))
        return new

    def send(self, name: str) -> Mapping[str, str]:
        """Send a webhook and return its headers."""
        now = self._clock()
        each = delivery_id(f"{next(runs)}", 3)
        url = f"https://example.test/{name}"
        self._deliveries.add(Delivery(each, each, self.named(name), url, BODY, now, now))
        self._deliverer.attempt(each)
        return self._sender.sent[-1]


def give(held: dict[str, datetime | None], new: str, now: datetime) -> None:
    """Give receivers a new secret or key, which replaces the current one."""
    for value, replaced_at in held.items():
        held[value] = replaced_at or now
    held[new] = None


def verifies(secret: str, headers: Mapping[str, str]) -> bool:
    """Whether the published library, with that secret, makes one of the signatures."""
    at = from_epoch_ms(int(headers["webhook-timestamp"]) * 1000)
    made = Webhook(secret).sign(headers["webhook-id"], at, BODY.decode())
    return made in headers["webhook-signature"].split(" ")


def verifies_v1a(public: str, headers: Mapping[str, str]) -> bool:
    with suppress(InvalidSignature):
        verify_v1a(public, headers, BODY)
        return True
    return False


@given(steps=STEPS)
def test_only_secrets_and_keys_replaced_less_than_a_day_ago_verify(
    steps: list[tuple[str, str, int]], database: Database, sender: Sender, clock: Any
) -> None:
    """An older one never verifies, nor does another owner's."""
    rig = Rig(database, sender, clock)
    for name, what, minutes in steps:
        rig.step(name, what)
        for sent_for in OWNERS:
            headers = rig.send(sent_for)
            count_of = headers["webhook-signature"].count("v1,")
            assert 1 <= count_of <= 5
            for holder in OWNERS:
                for held, check in (
                    (rig.secrets[holder], verifies),
                    (rig.keys[holder], verifies_v1a),
                ):
                    for value, replaced_at in held.items():
                        valid = replaced_at is None or clock() - replaced_at < DAY
                        assert check(value, headers) is (valid and holder == sent_for)
        clock.advance(timedelta(minutes=minutes))


def test_each_attempt_is_signed_with_currently_valid_secrets(
    database: Database, sender: Sender, clock: Any
) -> None:
    """A webhook is retried for days during a rotation: the id stays, the signatures change."""
    rig = Rig(database, sender, clock)
    owner_id = rig.named("anna")
    (old,) = rig.secrets["anna"]
    now = clock()
    name = delivery_id("retried", 3)
    deliveries = rig._deliveries
    url = "https://example.test/retried"
    deliveries.add(Delivery(name, "retried", owner_id, url, BODY, now, now))
    sender.status = 500
    rotated_at, new = None, ""
    for attempt in range(10):
        if attempt == 6:
            rotated_at = clock()
            new = rig.rotate(owner_id)
        rig._deliverer.attempt(name)
        headers = sender.sent[-1]
        assert headers["webhook-id"] == name
        assert verifies(old, headers) is (rotated_at is None or clock() - rotated_at < DAY)
        assert (new != "" and verifies(new, headers)) is (rotated_at is not None)
        delivery = deliveries.get(name)
        assert delivery is not None
        clock.now = max(delivery.due_at, clock())
    assert delivery.state is DeliveryState.EXHAUSTED
    assert len({sent["webhook-signature"] for sent in sender.sent}) == 10
    assert not verifies(old, sender.sent[-1])
