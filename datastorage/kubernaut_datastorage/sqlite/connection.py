"""The SQLite file: the function that opens it, and the meaning of its errors.

WAL, so that readers do not wait for the writer; synchronous=FULL, so that an acknowledged event survives a power cut;
a long busy timeout, so that a second process on the same folder waits for its turn.
"""

import fcntl
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from kubernaut_datastorage.database.migration import found_revision, upgrade
from kubernaut_datastorage.folder import DATABASE
from kubernaut_datastorage.store import DatabaseUnavailable, StorageError, StorageFull

__all__ = ["BUSY_SECONDS", "database_message", "is_data_error", "open_sqlite", "storage_error"]

BUSY_SECONDS = 60
"""Seconds that a transaction waits for the write lock."""


def open_sqlite(folder: Path) -> sa.Engine:
    """Open the database in a folder, created if missing, at the newest schema.

    Raises:
        StorageError: if the folder or the database in it cannot be used.
    """
    file = folder / DATABASE
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(folder / "lock"):
            # the path is no part of a URL's text, in which ? and % would have a meaning
            url = sa.URL.create("sqlite+pysqlite", database=str(file))
            engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
            sa.event.listen(engine, "connect", _configure)
            sa.event.listen(engine, "begin", _begin)
            try:
                with engine.connect().execution_options(writes=True) as connection:
                    upgrade(connection, found_revision(connection))
                    connection.commit()
            except BaseException:
                engine.dispose()
                raise
    except OSError as error:
        raise StorageError(f"the folder cannot be used: {error.strerror}; choose another with --data.") from None
    except (sa.exc.DBAPIError, sqlite3.Error) as error:
        message = f"{file.name} cannot be used as a database: {database_message(error)}; move it away, or mend it."
        raise StorageError(message) from None
    return engine


def database_message(error: Exception) -> str:
    """Return the database's own message, without the statement (which would show the values)."""
    return str(getattr(error, "orig", None) or error)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock under which one process at a time creates or migrates the database."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _configure(connection: Any, _record: Any) -> None:
    """Set up a new connection (SQLAlchemy's event `connect`)."""
    connection.isolation_level = None  # else the driver itself begins transactions, and later than `_begin` does
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    """Begin a transaction (SQLAlchemy's event `begin`).

    A transaction with the execution option `writes` takes the write lock at once: one that read first and then wrote
    would fail, without waiting, where another has written in between.
    """
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def is_data_error(error: Exception) -> bool:
    """Return True if an error lies in the values to store: sent again, they would fail again."""
    if isinstance(error, sa.exc.DBAPIError):
        return isinstance(error, (sa.exc.DataError, sa.exc.IntegrityError, sa.exc.InterfaceError))
    wrapped = getattr(error, "orig", None) or error
    return isinstance(wrapped, (ValueError, TypeError, LookupError, ArithmeticError, RecursionError))


def storage_error(error: Exception) -> StorageError:
    """Return the error to raise for one that lies in the database: the disk is full, or it may pass."""
    full = getattr(getattr(error, "orig", None), "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    if full:
        return StorageFull("there is no room for more on the disk; make room, and send it again. Reading goes on.")
    return DatabaseUnavailable(f"the database refused to store it: {database_message(error)}.")
