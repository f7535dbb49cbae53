"""The schema, and its export: `python -m api.schema` writes the SDL."""

from __future__ import annotations

import sys
from typing import Final

import strawberry
from graphql import GraphQLError
from strawberry.extensions import MaxTokensLimiter
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from api.errors import ShapeErrors
from api.mutations import Mutation
from api.queries import Query
from api.scalars import SCALARS

MAX_TOKENS: Final = 2000  # of one document; the longest of GraphiQL's own has about 300


class _Schema(strawberry.Schema):
    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing here: ShapeErrors logs what is our fault, and clients see their own."""


schema = _Schema(
    query=Query,
    mutation=Mutation,
    extensions=[ShapeErrors, lambda: MaxTokensLimiter(MAX_TOKENS)],
    config=StrawberryConfig(scalar_map=SCALARS),
)


def sdl() -> str:
    """Return the schema in the schema definition language, as `schema.graphql` holds it."""
    return schema.as_str() + "\n"


if __name__ == "__main__":
    sys.stdout.write(sdl())
