"""The schema, and its export: `python -m api.schema` writes the SDL."""

from __future__ import annotations

import sys

import strawberry
from strawberry.schema.config import StrawberryConfig

from api.errors import ShapeErrors
from api.mutations import Mutation
from api.queries import Query
from api.scalars import SCALARS

schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    extensions=[ShapeErrors],
    config=StrawberryConfig(scalar_map=SCALARS),
)


def sdl() -> str:
    """Return the schema in the schema definition language, as `schema.graphql` holds it."""
    return schema.as_str() + "\n"


if __name__ == "__main__":
    sys.stdout.write(sdl())
