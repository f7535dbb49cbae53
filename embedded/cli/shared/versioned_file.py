"""Files in which a command reads the new version of an owner's record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from core.domain.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


def read_versioned(
    text: str,
    known: AbstractSet[str],
    *,
    contents: str,
    shown_by: str,
    required: AbstractSet[str] = frozenset(),
) -> dict[str, Any]:
    """Return the JSON object of a file, which may have a "version". Raises InvalidValue.

    It has `known` fields alone, and those `required`; `contents` names them in errors, and the
    command `shown_by` prints such an object.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidValue("FILE", f"must be JSON: {error}") from error
    if not isinstance(found, dict) or not required <= found.keys():
        raise InvalidValue("FILE", f"must have an object with {contents}")
    unknown = sorted(found.keys() - {*known, "version"})
    if unknown:
        raise InvalidValue("FILE", f"has the unknown field {unknown[0]!r}")
    version = found.get("version", 0)
    if not isinstance(version, int) or isinstance(version, bool):
        raise InvalidValue("version", f"must be the number that '{shown_by}' prints")
    return found
