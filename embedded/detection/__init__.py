"""Detectors in child processes."""
