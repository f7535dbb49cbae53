"""The schema compared with the last release: clients written for that one go on working.

`released.graphql` is replaced by each release (CONTRIBUTING.md, "Releasing"), and only then.
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
    """Return the changes of a new schema that break clients of the released one."""
    released, schema = build_schema(RELEASED), build_schema(new)
    breaking = [change.description for change in find_breaking_changes(released, schema)]
    dangerous = [
        change.description
        for change in find_dangerous_changes(released, schema)
        if change.type not in ANNOUNCED
    ]
    return breaking + dangerous


def test_schema_has_no_breaking_change() -> None:
    """Deprecate first; a deprecated element is removed only in the next major version."""
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
        (r"\bVocabularyLabel\b", "LabelInUse"),
    ],
)
def test_breaking_change_is_detected(old: str, new: str) -> None:
    """A removed element, a field that becomes nullable or another type, a removed default."""
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
def test_additions_and_deprecations_are_not_breaking(old: str, new: str) -> None:
    """Clients select only what they know."""
    changed, times = re.subn(old, new, RELEASED)
    assert times
    assert harm(changed) == []
