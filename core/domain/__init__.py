"""Blobs, labels, deliveries and owners: plain data and the rules that hold for them."""
