"""Queues: the port and its adapters."""
