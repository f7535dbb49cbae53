"""The schema beside the one last released: what clients were written against goes on working.

`released.graphql` is replaced by each release (CONTRIBUTING.md, "Releasing"), and by nothing else.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import (
    DangerousChangeType,
    build_schema,
    find_breaking_changes,
    find_dangerous_changes,
)

from api.graphql.schema import sdl

RELEASED = Path(__file__).with_name("released.graphql").read_text()
# The schema says that values of enums, members of results and optional arguments may be added.
ANNOUNCED = {
    DangerousChangeType.VALUE_ADDED_TO_ENUM,
    DangerousChangeType.TYPE_ADDED_TO_UNION,
    DangerousChangeType.OPTIONAL_ARG_ADDED,
    DangerousChangeType.OPTIONAL_INPUT_FIELD_ADDED,
    DangerousChangeType.IMPLEMENTED_INTERFACE_ADDED,
}


def harm(new: str) -> list[str]:
    """Say what of a new schema breaks clients of the released one."""
    released, schema = build_schema(RELEASED), build_schema(new)
    breaking = [change.description for change in find_breaking_changes(released, schema)]
    dangerous = [
        change.description
        for change in find_dangerous_changes(released, schema)
        if change.type not in ANNOUNCED
    ]
    return breaking + dangerous


def test_nothing_breaks_clients_of_the_last_release() -> None:
    """Deprecate first; what is deprecated goes with the next major version alone."""
    assert harm(sdl()) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"  labelledAt: DateTime\n", "  at: DateTime\n"),
        (r"  createdAt: DateTime!", "  createdAt: DateTime"),
        (r"  sizeBytes: Int\n", "  sizeBytes: Float\n"),
        (r"\): \[Label!\]\n", "): Label\n"),
        (r"  sha256: String\n", "  sha256: String!\n"),
        (r"    first: Int! = 20", "    first: Int!"),
        (r"    first: Int! = 20", "    first: Int! = 10"),
        (r"    first: Int! = 20", "    limit: Int! = 20"),
        (r"  EXPIRED\n", ""),
        (r" \| QuotaExceeded", ""),
        (r"type Blob implements Node", "type Blob"),
        (r"\bLabelSummary\b", "LabelInUse"),
    ],
)
def test_a_breaking_change_is_seen(old: str, new: str) -> None:
    """A field that goes, may be null or changes type; a value, member or default that goes."""
    changed, times = re.subn(old, new, RELEASED)
    assert times
    assert harm(changed) != []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"  sizeBytes: Int\n", "  sizeBytes: Int\n  colour: String\n"),
        (r"  sizeBytes: Int\n", '  sizeBytes: Int @deprecated(reason: "Use bytes.")\n'),
        (r"  EXPIRED\n", "  EXPIRED\n  HIDDEN\n"),
        (r"    first: Int! = 20", "    first: Int! = 20\n    colour: String"),
        (r"  sha256: String\n", "  sha256: String\n  colour: String\n"),
    ],
)
def test_what_is_added_or_deprecated_breaks_nothing(old: str, new: str) -> None:
    """Clients select what they know."""
    changed, times = re.subn(old, new, RELEASED)
    assert times
    assert harm(changed) == []
