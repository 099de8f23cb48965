"""Actions for Route 53 records."""
