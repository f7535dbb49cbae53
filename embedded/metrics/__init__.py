"""Metrics of the embedded service, for Prometheus."""
