"""Certificates of cert-manager."""
