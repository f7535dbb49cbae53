"""Detectors in processes of their own."""
