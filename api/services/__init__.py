"""The use cases of GraphQL and REST."""
