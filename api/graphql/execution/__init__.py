"""From a document to a response: read, measured, validated and executed."""
