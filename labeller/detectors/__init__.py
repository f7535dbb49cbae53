"""What sees the labels in a picture: the port and its adapters."""
