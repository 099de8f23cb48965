"""The HTTP interface of a store."""
