"""Options, lists and errors that commands share."""
