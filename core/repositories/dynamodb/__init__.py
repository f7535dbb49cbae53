"""Repositories in one DynamoDB table."""
