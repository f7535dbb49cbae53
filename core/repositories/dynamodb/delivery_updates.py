"""Updates of a delivery's item on DynamoDB, each as expression, condition and values. Pure.

A condition makes an update fail if another process has changed what it relies on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from core.domain.clock import to_text
from core.domain.delivery import LINE_TIMEOUT, MAX_ATTEMPTS_KEPT, DeliveryState
from core.repositories.dynamodb.delivery_items import attempt_to_item, list_of

if TYPE_CHECKING:
    from datetime import datetime

    from core.domain.delivery import Attempt, Claim, Delivery, Verdict

Update = tuple[str, str, dict[str, Any]]

_PENDING: Final = {"S": DeliveryState.PENDING.value}
_NOT_LEASED: Final = "(attribute_not_exists(#lease_until) OR #lease_until <= :now)"


def claim_update(delivery: Delivery, begun: Attempt, lease: str, until: datetime) -> Update:
    """Lease a delivery, and add the attempt that begins now."""
    return (
        "SET #lease = :lease, #lease_until = :until, #attempts = list_append(#attempts, :begun)",
        f"#state = :pending AND #due_at <= :now AND size(#attempts) = :known AND {_NOT_LEASED}",
        {
            "lease": {"S": lease},
            "until": {"S": to_text(until)},
            "begun": {"L": [attempt_to_item(begun)]},
            "pending": _PENDING,
            "known": {"N": str(len(delivery.attempts))},
            "now": {"S": to_text(begun.started)},
        },
    )


def outcome_update(claim: Claim, attempt: Attempt, verdict: Verdict) -> Update:
    """Replace the last attempt by its outcome, set the new state, and end the lease."""
    delivery = claim.delivery
    pending = verdict.state is DeliveryState.PENDING
    due_at = to_text(verdict.due_at or delivery.due_at)
    ended = to_text(attempt.ended or attempt.started)
    return (
        f"SET #state = :state, #due_at = :due, #list = :list, #at = :at,"
        f" #attempts[{len(delivery.attempts) - 1}] = :attempt"
        + ("" if pending else ", #ended_at = :at")
        + " REMOVE #lease, #lease_until",
        "#lease = :lease",
        {
            "state": {"S": verdict.state.value},
            "due": {"S": due_at},
            "list": {"S": list_of(verdict.state, delivery.blob_id)},
            "at": {"S": due_at if pending else ended},
            "attempt": attempt_to_item(attempt),
            "lease": {"S": claim.lease},
        },
    )


def redelivery_update(delivery: Delivery, now: datetime) -> Update:
    """Make a delivery due now. One in a final state restarts its schedule."""
    expression = "SET #state = :pending, #due_at = :now, #list = :list, #at = :now"
    values: dict[str, Any] = {
        "pending": _PENDING,
        "now": {"S": to_text(now)},
        "list": {"S": list_of(DeliveryState.PENDING, delivery.blob_id)},
        "state": {"S": delivery.state.value},
        "due": {"S": to_text(delivery.due_at)},
        "known": {"N": str(len(delivery.attempts))},
    }
    if delivery.state is not DeliveryState.PENDING:
        kept = delivery.attempts[-MAX_ATTEMPTS_KEPT:]
        earlier = kept[-1].number if kept else delivery.attempts_before
        expression += ", #earlier = :earlier, #attempts = :kept REMOVE #ended_at"
        values["earlier"] = {"N": str(earlier)}
        values["kept"] = {"L": [attempt_to_item(attempt) for attempt in kept]}
    condition = "#state = :state AND #due_at = :due AND size(#attempts) = :known"
    return expression, f"{condition} AND {_NOT_LEASED}", values


def postponement_update(delivery: Delivery, now: datetime) -> Update:
    """Let the sweep find a delivery after LINE_TIMEOUT, because it waits in a line."""
    return (
        "SET #at = :at",
        f"#state = :pending AND #due_at = :due AND {_NOT_LEASED}",
        {
            "at": {"S": to_text(now + LINE_TIMEOUT)},
            "pending": _PENDING,
            "due": {"S": to_text(delivery.due_at)},
            "now": {"S": to_text(now)},
        },
    )
