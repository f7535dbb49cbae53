"""The interface of every type whose objects have an id."""

# Without `from __future__ import annotations`: Strawberry would compile each again
# (docs/decisions/0010).

import strawberry


@strawberry.interface(description="An object with an id (Relay's Node).")
class Node:
    id: strawberry.ID = strawberry.field(description="Opaque, and unique among all nodes.")
