"""`kubernaut serve`: the command of the Data Storage Service, which its image has without this program."""

from kubernaut_datastorage.command import serve

__all__ = ["serve"]
