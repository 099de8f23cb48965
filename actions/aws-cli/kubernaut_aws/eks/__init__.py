"""Actions for EKS node groups."""
