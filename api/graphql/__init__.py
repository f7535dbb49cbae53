"""The GraphQL schema and its execution over HTTP."""
