"""Receivers of webhooks, good and bad, and senders."""
