"""From "an object was created" to labels on record."""
