"""The guarded HTTP client that sends webhooks."""
