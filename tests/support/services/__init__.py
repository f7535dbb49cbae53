"""The service and its stores, in this process or one of their own, and what stands around it."""
