"""Uses of deprecated elements: counts by element, and log lines by key."""

from __future__ import annotations

import pytest

from api.auth.caller import Caller
from api.services.deprecated_uses import DeprecatedUses

ANNA, BORIS = Caller("anna", name="key:1"), Caller("boris", name="key:2")


def test_first_use_by_a_key_in_an_hour_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """With the uses since the line before; every use is counted."""
    now = 0.0
    counted: list[str] = []
    uses = DeprecatedUses(counted.append, lambda: now)

    def logged() -> list[tuple[object, ...]]:
        found = [(each.caller, each.element, each.uses) for each in caplog.records]  # type: ignore[attr-defined]
        caplog.clear()
        return found

    for caller in (ANNA, ANNA, BORIS, ANNA):
        uses.add(caller, {"Query.old", "Blob.old"})
    assert logged() == [
        ("key:1", "Blob.old", 1),
        ("key:1", "Query.old", 1),
        ("key:2", "Blob.old", 1),
        ("key:2", "Query.old", 1),
    ]
    now = 3599.0
    uses.add(ANNA, ["Query.old"])
    assert logged() == []
    now = 3600.0
    uses.add(ANNA, ["Query.old"])
    assert logged() == [("key:1", "Query.old", 4)]
    assert uses.counts == {"Blob.old": 4, "Query.old": 6}
    assert (counted.count("Blob.old"), counted.count("Query.old")) == (4, 6)
