"""The actions on nodes."""
