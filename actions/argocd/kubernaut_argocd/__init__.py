"""Actions that change what GitOps deploys. Import each from its module."""
