"""What the notifier tells the API of changes that somebody listens to. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME: Final = "changed"


@dataclass(frozen=True, slots=True)
class Changed:
    """A blob of an owner's changed, which these topics have to do with.

    What it is now is to be looked up: what has passed meanwhile is past.
    """

    owner: str
    blob_id: str
    topics: frozenset[str]


def subscription_event(changes: Iterable[Changed]) -> dict[str, Any]:
    """Write a notice as an event for the API's function."""
    return {
        _NAME: [
            {"owner": each.owner, "blob_id": each.blob_id, "topics": sorted(each.topics)}
            for each in changes
        ]
    }


def is_subscription_event(event: Mapping[str, Any]) -> bool:
    """Tell a notice from the events of API Gateway, which have no such name."""
    return _NAME in event


def changes_in(event: Mapping[str, Any]) -> list[Changed]:
    """Read what `subscription_event` wrote."""
    return [
        Changed(each["owner"], each["blob_id"], frozenset(each["topics"])) for each in event[_NAME]
    ]
