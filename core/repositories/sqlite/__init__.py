"""Repositories in one SQLite file."""
