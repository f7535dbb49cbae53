"""Blobs, deliveries and owners: the ports and their adapters."""
