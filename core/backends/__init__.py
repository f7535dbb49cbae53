"""What adapters of several ports share: the SQLite database, and the errors of AWS clients."""
