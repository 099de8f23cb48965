"""Clients of forges, for pull requests."""
