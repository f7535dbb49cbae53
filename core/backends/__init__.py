"""What adapters share: the SQLite file, and the errors of AWS clients."""
