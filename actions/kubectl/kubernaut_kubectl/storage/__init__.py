"""PersistentVolumeClaims and their snapshots."""
