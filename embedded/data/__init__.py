"""The data folder: who uses it, where its pictures are, and its secrets."""
