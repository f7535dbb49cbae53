"""AWS, imitated in this process or by emulators."""
