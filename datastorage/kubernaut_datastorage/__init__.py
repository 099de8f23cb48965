"""The Data Storage Service: it stores action records and answers their history.

The service is loaded when it is first used: a command that only shows its help need not wait for the service's
libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kubernaut_datastorage.records.merge import Merged, merge

if TYPE_CHECKING:
    from kubernaut_datastorage.server import Embedded, embedded, serve
    from kubernaut_datastorage.store import StorageError

__all__ = ["Embedded", "Merged", "StorageError", "embedded", "merge", "serve"]

_MODULES = {
    "Embedded": "server",
    "StorageError": "store",
    "embedded": "server",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
