"""The use cases behind GraphQL and REST."""
