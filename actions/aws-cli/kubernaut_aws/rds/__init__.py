"""Actions for RDS instances and clusters."""
