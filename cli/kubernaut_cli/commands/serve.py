"""`kubernaut serve`: the command of the Data Storage Service, which that part defines for its own image."""

from kubernaut_datastorage.command import serve

__all__ = ["serve"]
