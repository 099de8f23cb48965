"""Actions for EBS volumes and snapshots."""
