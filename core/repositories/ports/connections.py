"""The port of WebSocket connections whose state is stored between messages. Pure.

On AWS each message is an invocation of its own, and so is each change for a subscription. The state
that the embedded service keeps in memory with its socket is therefore stored in a table.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from datetime import datetime

    from core.domain.scope import Scope

# Of the subscriptions of one connection: one transaction of DynamoDB deletes them all when the
# connection closes.
MAX_TOPICS: Final = 100


@dataclass(frozen=True, slots=True)
class Connection:
    """An authenticated WebSocket connection.

    It acts for `owner` with `scopes` until `ends_at` (None: without end). `acknowledged` is set
    once the protocol has begun. `slots` maps `slot_of` each subscription's operation id to those of
    its topics that have not ended. The record expires at `expires_at`, when the socket cannot be
    open any more.
    """

    id: str
    owner: str
    scopes: frozenset[Scope]
    ends_at: datetime | None
    expires_at: datetime
    acknowledged: bool = False
    slots: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def holds(self, operation: str) -> bool:
        """Tell whether the connection has a subscription with this operation id."""
        return slot_of(operation) in self.slots

    def topics_of(self, operation: str) -> tuple[str, ...]:
        """Return the topics of a subscription that have not ended; none if it does not exist."""
        return self.slots.get(slot_of(operation), ())


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription: its operation as the client sent it, and its topics.

    Owner, scopes and times are those of its connection. One that `listeners` returns has only the
    topic that was looked up.
    """

    connection_id: str
    operation: str
    topics: tuple[str, ...]
    owner: str
    scopes: frozenset[Scope]
    ends_at: datetime | None
    expires_at: datetime
    query: str
    variables: Mapping[str, object] = field(default_factory=dict)
    operation_name: str | None = None


class ConnectionRepository(Protocol):
    """Connections and their subscriptions. Every call may raise Unavailable."""

    def save(self, connection: Connection) -> bool:
        """Store a connection. Return False, and change nothing, if it is already acknowledged."""

    def find(self, connection_id: str, now: datetime) -> Connection | None:
        """Return a connection, if it exists and has not expired."""

    def subscribe(self, subscription: Subscription) -> bool:
        """Store a subscription: from now on `listeners` returns it for each of its topics.

        Return False, and change nothing, if its connection does not exist, already has a
        subscription with this operation id, or would have more than MAX_TOPICS topics.
        """

    def unsubscribe(self, connection_id: str, operation: str) -> bool:
        """Delete a subscription. Return False if there is none."""

    def end_topics(self, connection_id: str, operation: str, topics: Collection[str]) -> bool:
        """Delete topics of a subscription unless no others would be left.

        Return False, and change nothing, if no others would be left.
        """

    def claim_final_message(
        self, subscription: Subscription, now: datetime, until: datetime
    ) -> bool:
        """Claim, until a time, the right to send a subscription the final message of a topic.

        The topic is the subscription's only one, as `listeners` returns it. Return False if another
        process has claimed it, or the subscription does not exist.
        """

    def close(self, connection_id: str) -> None:
        """Delete a connection and its subscriptions, if they exist."""

    def listeners(self, topic: str, now: datetime) -> Iterator[Subscription]:
        """Yield the subscriptions of a topic, including every one stored before the call."""

    def has_listeners(self, topic: str) -> bool:
        """Tell whether a topic has subscriptions; may be True just after the last one ended."""


def slot_of(operation: str) -> str:
    """Return the attribute name under which a connection stores an operation of any id."""
    digest = hashlib.sha256(operation.encode(errors="surrogatepass")).hexdigest()
    return f"o{digest[:32]}"
