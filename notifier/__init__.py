"""From "a blob's record changed" to a signed webhook received."""
