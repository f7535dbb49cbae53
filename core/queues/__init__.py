"""Work to be done once or more: the port and its adapters."""
