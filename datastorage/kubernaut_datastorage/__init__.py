"""The Data Storage Service: action records in, history out."""

from kubernaut_datastorage.database import StorageError
from kubernaut_datastorage.merge import Merged, merge
from kubernaut_datastorage.server import Embedded, embedded, serve

__all__ = ["Embedded", "Merged", "StorageError", "embedded", "merge", "serve"]
