"""Scopes of keys that were stored before `edit` and `delete` existed, and for such a version."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from core.domain.scope import Scope, for_earlier, from_earlier

EARLIER = (Scope.READ, Scope.UPLOAD, Scope.ADMIN)
# What a version without `edit` and `delete` let keys do, by the scopes of today.
BOTH = {Scope.EDIT, Scope.DELETE}


def subsets(scopes: tuple[Scope, ...]) -> list[frozenset[Scope]]:
    sizes = range(len(scopes) + 1)
    return list(map(frozenset, chain(*(combinations(scopes, size) for size in sizes))))


@pytest.mark.parametrize("scopes", subsets(EARLIER), ids=lambda each: " ".join(sorted(each)))
def test_earlier_key_gains_and_loses_nothing(scopes: frozenset[Scope]) -> None:
    allowed = scopes | (BOTH if {Scope.READ, Scope.UPLOAD} <= scopes else set())
    assert from_earlier(scopes) == allowed
    assert for_earlier(from_earlier(scopes)) == scopes


@pytest.mark.parametrize("scopes", subsets(tuple(Scope)), ids=lambda each: " ".join(sorted(each)))
def test_earlier_version_never_grants_more_than_a_key_has(scopes: frozenset[Scope]) -> None:
    """After a rollback."""
    assert for_earlier(scopes) <= set(EARLIER)
    assert from_earlier(for_earlier(scopes)) <= scopes


def test_unknown_scope_is_an_error() -> None:
    with pytest.raises(ValueError, match="everything"):
        from_earlier(["everything"])
