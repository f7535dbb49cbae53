"""The port to WebSocket connections whose state is kept between one message and the next.

On AWS each message is an invocation of its own, and so is each change that a subscription is told
of: what embedded lives with its socket, in memory, is on record there. Pure.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from core.domain.scope import Scope

# Of one connection: as many as a transaction of DynamoDB takes along when it closes.
MAX_SUBSCRIPTIONS: Final = 100


@dataclass(frozen=True, slots=True)
class Connection:
    """A socket whose client said who it is.

    It acts for `owner`, as far as `scopes` go and until `ends_at` (None: no end). An
    `acknowledged` one has begun the protocol. `slots` are the topics of its subscriptions, by
    `slot_of` their operation. It is forgotten at `expires_at`, when no socket can be open any more.
    """

    id: str
    owner: str
    scopes: frozenset[Scope]
    ends_at: datetime | None
    expires_at: datetime
    acknowledged: bool = False
    slots: Mapping[str, str] = field(default_factory=dict)

    def holds(self, operation: str) -> bool:
        """Tell whether a subscription of that id is under way."""
        return slot_of(operation) in self.slots


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a connection asked to be told: an operation, as it was sent, and its topic.

    Whom it acts for is as on its connection.
    """

    connection_id: str
    operation: str
    topic: str
    owner: str
    scopes: frozenset[Scope]
    ends_at: datetime | None
    expires_at: datetime
    query: str
    variables: Mapping[str, object] = field(default_factory=dict)
    operation_name: str | None = None


class ConnectionRepository(Protocol):
    """Connections and their subscriptions; each call raises Unavailable at times."""

    def save(self, connection: Connection) -> bool:
        """Keep a connection; False, and nothing changed, when it is acknowledged already."""

    def find(self, connection_id: str, now: datetime) -> Connection | None:
        """Return a connection that is not forgotten."""

    def subscribe(self, subscription: Subscription) -> bool:
        """Keep a subscription: from now on `listeners` names it.

        False, and nothing changed, when its connection is gone, has one of that operation, or has
        MOST_SUBSCRIPTIONS.
        """

    def unsubscribe(self, connection_id: str, operation: str, topic: str) -> bool:
        """Forget a subscription. False when there was none."""

    def claim_final_message(
        self, subscription: Subscription, now: datetime, until: datetime
    ) -> bool:
        """Take the right to tell a subscription its last, until then; False when another has it.

        Also False when it is forgotten.
        """

    def close(self, connection_id: str) -> None:
        """Forget a connection and its subscriptions; harmless when repeated."""

    def listeners(self, topic: str, now: datetime) -> Iterator[Subscription]:
        """Give the subscriptions of a topic: each that was kept before is among them."""

    def has_listeners(self, topic: str) -> bool:
        """Tell whether a topic has listeners; True at times when the last of them has just gone."""


def slot_of(operation: str) -> str:
    """Return the name under which a connection holds an operation, whatever its id is."""
    digest = hashlib.sha256(operation.encode(errors="surrogatepass")).hexdigest()
    return f"o{digest[:32]}"
