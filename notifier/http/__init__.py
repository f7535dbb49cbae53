"""The HTTP client that sends webhooks."""
