"""Nodes of every kind, found by the prefix of their ids.

A blob's id has no prefix. The id of any other kind is `<prefix>_<the rest>`, and the module of that
kind calls `register_nodes` once, at its import.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from api.graphql.context import Context
    from api.graphql.node import Node

# From ids, prefix included, to those of the caller's nodes that exist.
Find = Callable[["Context", Sequence[str]], Awaitable[Mapping[str, "Node"]]]

SEPARATOR: Final = "_"
UNPREFIXED: Final = ""
_finders: Final[dict[str, Find]] = {}


def register_nodes(prefix: str, find: Find) -> None:
    """Have `find` look up the ids with a prefix. Raises ValueError if the prefix is taken."""
    if prefix in _finders or SEPARATOR in prefix:
        raise ValueError(f"{prefix!r} is taken, or contains {SEPARATOR!r}: choose another prefix")
    _finders[prefix] = find


async def find_nodes(context: Context, ids: Sequence[str]) -> list[Node | None]:
    """Return the nodes in the order of `ids`; None for each that does not exist.

    Each kind is read once.
    """
    by_prefix: dict[str, list[str]] = {}
    for node_id in dict.fromkeys(ids):
        prefix, separator, _ = node_id.partition(SEPARATOR)
        by_prefix.setdefault(prefix if separator else UNPREFIXED, []).append(node_id)
    found: dict[str, Node] = {}
    for prefix, wanted in by_prefix.items():
        if find := _finders.get(prefix):
            found.update(await find(context, wanted))
    return [found.get(node_id) for node_id in ids]
