"""Object storage for image bytes: the port and its adapters."""
