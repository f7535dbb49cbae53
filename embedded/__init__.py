"""The whole service in one process on one machine: SQLite, files and an ONNX model."""
