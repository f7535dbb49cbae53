"""What `labelling deliveries` and `labelling endpoints` do."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from core.domain.clock import to_text
from core.domain.delivery import DeliveryState, endpoint_of, failure_reason
from core.domain.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from core.domain.delivery import Attempt, Delivery
    from core.repositories.ports.deliveries import DeliveryRepository

_AGE: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def listed(
    deliveries: DeliveryRepository,
    states: Iterable[DeliveryState],
    owner: str | None,
    since: datetime | None,
) -> Iterator[str]:
    """Write a line for each delivery: id, state, attempts, when, owner, URL."""
    for state in states:
        for found in deliveries.find_by_state(state, owner=owner, since=since):
            when = to_text(found.ended_at or found.due_at)
            yield (
                f"{found.id}  {found.state:<9}  {len(found.attempts):>2}  {when}"
                f"  {found.owner}  {found.url}"
            )


def shown(deliveries: DeliveryRepository, delivery_id: str) -> Iterator[str]:
    """Write all there is to know of a delivery. Raises InvalidValue when there is none."""
    found = deliveries.get(delivery_id)
    if found is None:
        raise InvalidValue("id", f"no delivery {delivery_id}; see 'labelling deliveries list'")
    yield f"id        {found.id}"
    yield f"owner     {found.owner}"
    yield f"url       {found.url}"
    yield f"event     {json.loads(found.body)['type']}, {len(found.body)} bytes"
    yield f"created   {to_text(found.created_at)}"
    yield f"state     {_state(found)}"
    for attempt in found.attempts:
        yield _attempt(attempt)
    yield f"body      {found.body.decode()}"


def redelivered(
    deliveries: DeliveryRepository,
    delivery_ids: Iterable[str],
    now: datetime,
    enqueue_delivery: Callable[[str], None],
) -> int:
    """Make deliveries due now; return how many.

    Raises InvalidValue when there is no delivery of an id.
    """
    count = 0
    for delivery_id in delivery_ids:
        if deliveries.redeliver(delivery_id, now):
            enqueue_delivery(delivery_id)
        elif deliveries.get(delivery_id) is None:
            raise InvalidValue("id", f"no delivery {delivery_id}; see 'labelling deliveries list'")
        count += 1
    return count


def ids_of(
    deliveries: DeliveryRepository, state: DeliveryState, owner: str | None, since: datetime
) -> list[str]:
    """Return the ids of what came to that end since a time, the earliest first."""
    found = [each.id for each in deliveries.find_by_state(state, owner=owner, since=since)]
    return found[::-1]


def disabled(deliveries: DeliveryRepository, owner: str) -> Iterator[str]:
    """Write a line for each disabled endpoint of an owner: since when, and which."""
    for found in deliveries.disabled_endpoints(owner):
        yield f"{to_text(found.at)}  {found.endpoint}"


def enable(deliveries: DeliveryRepository, owner: str, url: str) -> None:
    """Let deliveries go to an endpoint again. Raises InvalidValue when it is not disabled."""
    if not deliveries.enable_endpoint(owner, endpoint_of(url)):
        raise InvalidValue(
            "url", f"{owner} has no such disabled endpoint; see 'labelling endpoints list'"
        )


def moment(text: str, now: datetime) -> datetime:
    """Read a time: RFC 3339, or an age such as 90m, 12h or 3d. Raises InvalidValue."""
    return _moment("--since", text, now, -1)


def end(text: str, now: datetime) -> datetime:
    """Read a time to come: RFC 3339, or how long until then, as 12h or 90d. Raises InvalidValue."""
    read = _moment("--expires", text, now, 1)
    if read <= now:
        raise InvalidValue("--expires", f"{text!r} is past")
    return read


def _moment(option: str, text: str, now: datetime, sign: int) -> datetime:
    try:
        if span := _AGE.fullmatch(text):
            return now + sign * timedelta(**{_UNITS[span[2]]: int(span[1])})
        read = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as exc:
        raise InvalidValue(
            option, f"{text!r} is neither a time as 2026-01-31T12:00:00Z nor a span as 12h or 3d"
        ) from exc
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _state(delivery: Delivery) -> str:
    if delivery.state is DeliveryState.PENDING:
        return f"pending, due {to_text(delivery.due_at)}"
    reason = failure_reason(delivery)
    ended = f" {to_text(delivery.ended_at)}" if delivery.ended_at else ""
    return f"{delivery.state}{ended}" + (f": {reason}" if reason else "")


def _attempt(attempt: Attempt) -> str:
    if attempt.ended is None:
        outcome = "unknown"
    else:
        took = (attempt.ended - attempt.started).total_seconds()
        outcome = f"{attempt.status or attempt.error} in {took:.3f} s"
    answer = f"  {attempt.response[:200].decode(errors='replace')!r}" if attempt.response else ""
    address = f"  {attempt.address}" if attempt.address else ""
    return f"attempt   {attempt.number}  {to_text(attempt.started)}  {outcome}{address}{answer}"
