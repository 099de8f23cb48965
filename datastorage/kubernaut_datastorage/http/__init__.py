"""The HTTP interface: requests read, records answered."""
