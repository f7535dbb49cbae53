"""How much may be in progress at a time."""
