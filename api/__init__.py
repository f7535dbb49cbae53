"""The API: GraphQL, and REST routes over the same services."""
