"""What clients ask for: GraphQL, and two plain routes over the same code."""
