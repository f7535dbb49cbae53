"""Nodes are found by the prefix of their ids."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from api.auth.caller import Caller
from api.graphql import nodes
from api.graphql.context import Context
from api.graphql.execution.documents import Documents
from api.graphql.nodes import find_nodes, register_nodes
from api.graphql.schema import schema
from tests.support.graphql_client import GraphQL
from tests.support.services.embedded_stores import EmbeddedStores


@dataclass
class Albums:
    """A further kind of node, and what was asked of it."""

    asked: list[list[str]] = field(default_factory=list)

    async def find(self, _context: Context, ids: Sequence[str]) -> Mapping[str, Any]:
        self.asked.append(list(ids))
        return {each: f"album {each}" for each in ids if each != "album_absent"}


@pytest.fixture
def albums(monkeypatch: pytest.MonkeyPatch) -> Albums:
    monkeypatch.setattr(nodes, "_finders", dict(nodes._finders))
    albums = Albums()
    register_nodes("album", albums.find)
    return albums


def test_each_kind_is_read_once_and_the_order_is_kept(
    stores: EmbeddedStores, albums: Albums
) -> None:
    one, two, foreign = stores.awaiting(), stores.awaiting(), stores.awaiting("boris")
    context = Context(stores.services(), Caller("anna"), Documents(schema._schema), "request")
    ids = ["album_1", two.id, "album_absent", one.id, "album_1", "absent", foreign.id, "song_1"]
    found: list[Any] = asyncio.run(find_nodes(context, ids))
    assert [getattr(each, "id", each) for each in found] == [
        *("album album_1", two.id, None, one.id),
        *("album album_1", None, None, None),
    ]
    assert albums.asked == [["album_1", "album_absent"]]


def test_unknown_prefix_is_null_and_reads_nothing(
    stores: EmbeddedStores, anna: GraphQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores.blobs, "find", None)
    assert anna.ask('{ node(id: "song_1") { id } }') == {"node": None}


@pytest.mark.parametrize("prefix", ["album", "", "a_b"])
def test_prefix_is_unique_and_without_a_separator(albums: Albums, prefix: str) -> None:
    with pytest.raises(ValueError, match="choose another prefix"):
        register_nodes(prefix, albums.find)
