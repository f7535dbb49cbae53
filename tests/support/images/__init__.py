"""Pictures, and detectors that look at them."""
