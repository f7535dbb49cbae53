"""Settings, logging, metrics, JSON and the AWS runtime."""
