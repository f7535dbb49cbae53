"""Checks of the data folder, the settings and the machine: at the start, in turns, by command."""
