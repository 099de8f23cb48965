"""The Data Storage Service: action records in, history out."""

from kubernaut_datastorage.merge import Merged, merge
from kubernaut_datastorage.server import Embedded, embedded, serve
from kubernaut_datastorage.store import StorageError

__all__ = ["Embedded", "Merged", "StorageError", "embedded", "merge", "serve"]
