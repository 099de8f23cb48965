"""The owners of objects and of their fields, which would take a change back."""
