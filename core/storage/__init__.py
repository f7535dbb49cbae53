"""Image bytes: the port and its adapters."""
