"""Actions for Auto Scaling groups."""
