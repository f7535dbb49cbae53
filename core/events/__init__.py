"""The events that pass between the parts, as AWS writes them."""
