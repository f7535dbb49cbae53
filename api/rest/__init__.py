"""The HTTP application and its plain routes."""
