"""What the operator sees and changes: the same for commands, the HTTP API and the admin page."""
