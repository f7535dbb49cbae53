"""The `labelling` command."""
