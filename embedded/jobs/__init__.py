"""What the service does in the background for stored blobs."""
