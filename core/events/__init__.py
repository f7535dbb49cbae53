"""The events that the parts exchange, in the form of AWS, and the bodies of webhooks."""
