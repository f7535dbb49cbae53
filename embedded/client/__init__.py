"""Bulk import and export through the public API."""
