"""The building, stamping and publishing of action images."""
