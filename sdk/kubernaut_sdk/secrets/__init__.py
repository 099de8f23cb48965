"""Secrets: where they stand, the formats that hold them, and the shapes in which they appear in text."""
