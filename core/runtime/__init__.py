"""Settings, logging, metrics, JSON and the runtime of AWS Lambda. Knows nothing of the domain."""
