"""Blobs, labels, deliveries and owners: plain data and their rules."""
