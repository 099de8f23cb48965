"""The SQLite backend: one file in a folder, one writer that commits in groups, and readers beside it."""

from kubernaut_datastorage.sqlite.connection import open_sqlite
from kubernaut_datastorage.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "open_sqlite"]
