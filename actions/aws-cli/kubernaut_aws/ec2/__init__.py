"""Actions for EC2 instances."""
