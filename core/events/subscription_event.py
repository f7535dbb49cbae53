"""The event by which the notifier informs the API of changes that have subscribers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME: Final = "changed"


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of an owner's blob, and its topics.

    The receiver reads the blob's current state: it may have changed again.
    """

    owner: str
    blob_id: str
    topics: frozenset[str]


def subscription_event(changes: Iterable[Changed]) -> dict[str, Any]:
    """Return the event of some changes, for the API's function."""
    return {
        _NAME: [
            {"owner": each.owner, "blob_id": each.blob_id, "topics": sorted(each.topics)}
            for each in changes
        ]
    }


def is_subscription_event(event: Mapping[str, Any]) -> bool:
    """Tell whether an event is one of these, rather than one of API Gateway."""
    return _NAME in event


def changes_in(event: Mapping[str, Any]) -> list[Changed]:
    """Return the changes in an event made by `subscription_event`."""
    return [
        Changed(each["owner"], each["blob_id"], frozenset(each["topics"])) for each in event[_NAME]
    ]
