"""HTTP routes that only the embedded service has."""
