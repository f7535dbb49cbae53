"""GraphQL over WebSocket: the protocol, for the embedded service and for API Gateway."""
