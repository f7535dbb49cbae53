"""GraphQL over WebSocket, for the embedded service and for API Gateway."""
