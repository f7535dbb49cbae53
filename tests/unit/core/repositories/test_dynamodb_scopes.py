"""Scopes as attributes of an item, and items of versions without `edit` and `delete`."""

from __future__ import annotations

import pytest

from core.domain.scope import Scope
from core.repositories.dynamodb.scopes import scopes_from_item, scopes_to_item
from core.repositories.serialization import marshal


@pytest.mark.parametrize(
    "scopes", [set(), {Scope.UPLOAD}, {Scope.READ, Scope.UPLOAD}, {Scope.DELETE}, set(Scope)]
)
def test_scopes_are_read_as_they_were_written(scopes: set[Scope]) -> None:
    assert scopes_from_item(scopes_to_item(frozenset(scopes))) == scopes


def test_earlier_item_with_read_and_upload_may_edit_and_delete() -> None:
    """As it could."""
    item = {"scopes": marshal(["read", "upload"])}
    assert scopes_from_item(item) == {Scope.READ, Scope.UPLOAD, Scope.EDIT, Scope.DELETE}
    assert scopes_from_item({"scopes": marshal(["upload"])}) == {Scope.UPLOAD}
    assert scopes_from_item({}) is None


def test_earlier_version_reads_no_more_than_the_item_grants() -> None:
    item = scopes_to_item(frozenset({Scope.READ, Scope.UPLOAD}))
    assert item["scopes"] == marshal(["read"])
    assert scopes_to_item(frozenset(Scope))["scopes"] == marshal(["admin", "read", "upload"])
