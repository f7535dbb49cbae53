"""Backups of a data folder: made beside the running service, verified, and restored."""
