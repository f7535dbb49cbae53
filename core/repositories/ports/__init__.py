"""The ports of the repositories: what every database adapter guarantees."""
