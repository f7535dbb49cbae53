"""How often a detector is right."""
