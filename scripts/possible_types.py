"""Write docs/possibleTypes.json for GraphQL caches: `python -m scripts.possible_types`."""

from __future__ import annotations

import json
import sys

from graphql import GraphQLInterfaceType, GraphQLSchema, GraphQLUnionType

from api.graphql.schema import schema


def possible_types(described: GraphQLSchema) -> dict[str, list[str]]:
    """Return the object types of each interface and union, in the form that Apollo Client takes."""
    return {
        name: sorted(member.name for member in described.get_possible_types(kind))
        for name, kind in sorted(described.type_map.items())
        if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType)
    }


if __name__ == "__main__":
    found = possible_types(schema._schema)  # noqa: SLF001  # graphql-core's
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
