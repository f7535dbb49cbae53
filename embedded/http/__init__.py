"""HTTP and WebSocket parts that only the embedded service has."""
