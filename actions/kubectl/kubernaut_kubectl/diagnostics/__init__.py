"""Diagnostics: what is there when something is wrong."""
