"""Search for pictures that look alike."""
