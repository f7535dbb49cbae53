"""The notifier: sends a signed webhook when a blob changes."""
