"""Actions that change what GitOps deploys. Each is imported from its module."""
