"""The actions on single pods."""
