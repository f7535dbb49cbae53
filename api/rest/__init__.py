"""The FastAPI application and its REST routes."""
